/** The './node' entry: Node's own modules on our sockets. */

export { type HttpAddress, Listener, type ListenOptions, listen, serveHttp } from './listen.ts'
export { type ConnectOptions, type SocketOptions, SockeyeSocket } from './socket.ts'
