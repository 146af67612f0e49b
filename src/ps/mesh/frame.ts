/** Kinds of frames: data, the sender takes leave, the receiver is refused (the reason is the metadata). */
export const FRAME = { data: 1, leave: 2, refused: 3 } as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** A frame is a header of four little-endian uint32 (kind, tag, bytes of metadata, bytes of payload) and these. */
export const HEADER_BYTES = 16;

export interface FrameHeader {
  readonly kind: number;
  readonly tag: number;
  readonly metaBytes: number;
  readonly payloadBytes: number;
}

/** Header and metadata in one buffer. */
export function frameHead(kind: FrameKind, tag: number, meta: Uint8Array, payloadBytes: number): Uint8Array {
  if (payloadBytes > 0xffffffff)
    throw new RangeError(`a frame of ${payloadBytes} bytes is too large: 4 GiB is the limit`);
  const head = new Uint8Array(HEADER_BYTES + meta.length);
  const view = new DataView(head.buffer);
  [kind, tag, meta.length, payloadBytes].forEach((value, i) => void view.setUint32(4 * i, value, true));
  head.set(meta, HEADER_BYTES);
  return head;
}

export function readHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const [kind, tag, metaBytes, payloadBytes] = [0, 4, 8, 12].map((offset) => view.getUint32(offset, true));
  return { kind: kind!, tag: tag!, metaBytes: metaBytes!, payloadBytes: payloadBytes! };
}

/** Whether whole frames, the last of them a leave, follow `offset` bytes of something else. */
export function endsWithLeave(bytes: Uint8Array, offset: number): boolean {
  let at = offset;
  while (at + HEADER_BYTES <= bytes.length) {
    const { kind, metaBytes, payloadBytes } = readHeader(bytes.subarray(at));
    at += HEADER_BYTES + metaBytes + payloadBytes;
    if (kind === FRAME.leave) return at === bytes.length;
  }
  return false;
}
