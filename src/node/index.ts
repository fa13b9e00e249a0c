/** The './node' entry: Node's own modules on our sockets. */
export { type ConnectOptions, SockeyeSocket, type SocketOptions } from './socket.ts'
export { type HttpAddress, listen, Listener, type ListenOptions, serveHttp } from './listen.ts'
