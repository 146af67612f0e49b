import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader, type FrameReceiver, sendFrame } from './frames.js';

/** What would go over a socket. */
function written(header: object, payload: readonly Uint8Array[]): Buffer {
  const parts: Buffer[] = [];
  const socket = { cork() {}, uncork() {}, write: (part: Uint8Array) => parts.push(Buffer.from(part)) };
  sendFrame(socket as never, header, payload);
  return Buffer.concat(parts);
}

class Receiver implements FrameReceiver<{ sizes: number[] }> {
  readonly received: Uint8Array[][] = [];
  #arriving: Uint8Array[] = [];

  maxHeaderBytes = () => 1000;

  place(header: { sizes: number[] }) {
    this.#arriving = header.sizes.map((size) => new Uint8Array(size));
    return this.#arriving;
  }

  receive(): void {
    this.received.push(this.#arriving);
    this.#arriving = [];
  }
}

it('puts payloads where they belong, through any cuts of the stream', () => {
  const payload = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(payload, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (frames, cuts) => {
        const receiver = new Receiver();
        const reader = new FrameReader(receiver, () => expect.unreachable());
        const sizesOf = (parts: readonly Uint8Array[]) => parts.map(({ length }) => length);
        const stream = Buffer.concat(frames.map((parts) => written({ sizes: sizesOf(parts) }, parts)));
        for (let at = 0, k = 0; at < stream.length; k++) {
          const length = cuts[k % cuts.length]!;
          reader.push(stream.subarray(at, at + length));
          at += length;
        }
        const empty = (parts: readonly Uint8Array[]) => parts.every(({ length }) => length === 0);
        expect(receiver.received).toEqual(frames.map((parts) => (empty(parts) ? [] : parts)));
      },
    ),
    { seed: 5 },
  );
});

it.each([
  ['no frame at all', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['no header', Buffer.alloc(8)],
  ['a header that is no JSON', Buffer.concat([written({}, []).subarray(0, 8), Buffer.from('{]')])],
  ['a payload of another length than there is place', written({ sizes: [3] }, [new Uint8Array(4)])],
])('hangs up on %s, and looks at nothing more', (_, bytes) => {
  const receiver = new Receiver();
  let ends = 0;
  const reader = new FrameReader(receiver, () => void ends++);
  reader.push(bytes);
  reader.push(written({ sizes: [1] }, [new Uint8Array(1)]));
  expect(ends).toBe(1);
  expect(receiver.received).toEqual([]);
});
