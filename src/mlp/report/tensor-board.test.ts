import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from './crc32c.js';
import { eventType } from './event-schema.js';
import { TensorBoard, tfRecord } from './tensor-board.js';

describe('crc32c', () => {
  it.each([
    [Buffer.from('123456789'), 0xe3069283],
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
  ])('is as published in RFC 3720', (bytes, checksum) => {
    expect(crc32c(bytes)).toBe(checksum);
  });
});

describe('TensorBoard', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sheaf-board-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('writes every number of a report, validation beside training', () => {
    const board = new TensorBoard(directory, () => 1700000000.5);
    board.write({ epoch: 1, loss: 0.5, validationLoss: 0.75, note: 'no number' });
    board.write({ epoch: 2, step: 40, loss: Number.NaN, learningRate: 0.25 });
    board.close();
    const version = { wall_time: 1700000000.5, file_version: 'brain.Event:2' };
    const event = (step: number, values: Record<string, number>) => ({
      wall_time: 1700000000.5,
      step,
      summary: { value: Object.entries(values).map(([tag, simple_value]) => ({ tag, simple_value })) },
    });
    expect(eventsOf(directory)).toEqual([
      version,
      event(1, { loss: 0.5 }),
      event(40, { loss: Number.NaN, learningRate: 0.25 }),
    ]);
    expect(eventsOf(join(directory, 'validation'))).toEqual([version, event(1, { loss: 0.75 })]);
  });

  it('makes a file of its own each time: what is there is never overwritten', () => {
    for (let run = 0; run < 2; run++) {
      const board = new TensorBoard(directory);
      board.write({ epoch: 1, loss: run });
      board.close();
    }
    expect(readdirSync(directory)).toHaveLength(2);
  });
});

it('a folder that is none is refused before the training', () => {
  expect(() => new TensorBoard(5 as never)).toThrow('TensorBoard needs the path of a folder, not 5');
});

it('tfRecord is what TensorFlow writes', () => {
  // tf.io.TFRecordWriter: b'sheaf'
  expect(tfRecord(Buffer.from('sheaf')).toString('hex')).toBe('0500000000000000eab2043e73686561664dc6ea4a');
});

/** The events of a folder's one file, checksums checked. */
function eventsOf(directory: string): unknown[] {
  const [name] = readdirSync(directory).filter((entry) => entry.startsWith('events.out.tfevents.1700000000.'));
  const bytes = readFileSync(join(directory, name!));
  const events = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    events.push(eventType().toObject(eventType().decode(data), { longs: Number }));
    at += length + 16;
  }
  return events;
}
