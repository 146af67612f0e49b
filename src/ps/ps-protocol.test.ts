import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Frame, onFrames, sendFrame } from './ps-protocol.js';

class Wire extends EventEmitter {
  readonly sent: Buffer[] = [];
  destroyed: Error | undefined;
  cork = () => {};
  uncork = () => {};
  write = (bytes: Uint8Array) => this.sent.push(Buffer.from(bytes));
  destroy = (error: Error) => {
    this.destroyed = error;
  };
}

const wire = () => {
  const made = new Wire();
  return { made, socket: made as unknown as Socket };
};

it('carries frames through any cuts of the stream, payloads aligned for float views', () => {
  const frames = fc.array(fc.tuple(fc.jsonValue(), fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 3 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (all, cuts) => {
      const sender = wire();
      for (const [header, parts] of all) sendFrame(sender.socket, header, ...parts);
      const stream = Buffer.concat(sender.made.sent);
      const receiver = wire();
      const received: Frame<unknown>[] = [];
      onFrames<unknown>(receiver.socket, (frame) => received.push(frame));
      for (let at = 0, k = 0; at < stream.length; k++) {
        const length = cuts[k % cuts.length]!;
        receiver.made.emit('data', stream.subarray(at, at + length));
        at += length;
      }
      expect(received.map(({ header }) => header)).toEqual(all.map(([header]) => JSON.parse(JSON.stringify(header))));
      expect(received.map(({ payload }) => payload.toString('hex'))).toEqual(
        all.map(([, parts]) => Buffer.concat(parts).toString('hex')),
      );
      expect(received.every(({ payload }) => payload.byteOffset % 8 === 0)).toBe(true);
    }),
    { seed: 5 },
  );
});

it('hangs up on what is no frame', () => {
  const { made, socket } = wire();
  onFrames(socket, () => {});
  made.emit('data', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  expect(made.destroyed?.message).toMatch(/no frame of a parameter server/);
});
