import type { ControlMessage } from '../../src/sock/message.ts'

/** The fields of a control message's data; none without one. */
export const words = (message: ControlMessage | undefined): readonly number[] => {
  const data = message?.data ?? []
  return typeof data === 'number' ? [data] : [...data]
}
