import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { maskedCrc32c } from './crc32c.js';
import { eventType } from './event-schema.js';

/** Seconds since 1970; tests set their own. */
export type Clock = () => number;

/**
 * Writes scalars for TensorBoard, while a training runs: every number of a report becomes a point, of the report's `step`,
 * else of its `epoch`. A folder holds one run; `validationLoss` goes to a run of its own, `<folder>/validation`, so that it
 * shares a chart with `loss`.
 *
 * ```ts
 * const board = new TensorBoard('runs/first');
 * await new MLPClassifier({ onEpoch: board.write }).fit(train);
 * board.close(); // then: tensorboard --logdir runs
 * ```
 *
 * Each report is one write to the file: what was written before a crash can be read.
 */
export class TensorBoard {
  readonly #files = new Map<string, EventFile>();

  /** @param directory is made where it is missing @throws TypeError for what is no path */
  constructor(
    readonly directory: string,
    readonly clock: Clock = () => Date.now() / 1000,
  ) {
    if (typeof directory !== 'string' || directory === '')
      throw new TypeError(`TensorBoard needs the path of a folder, not ${inspect(directory)}`);
  }

  /** Bound: can be given as a callback. @param report without `step` and `epoch`: a point of step 0 */
  readonly write = (report: object): void => {
    const { step, epoch, ...values } = report as Readonly<Record<string, unknown>>;
    const at = [step, epoch].find((place) => typeof place === 'number') ?? 0;
    const runs = new Map<string, [string, number][]>();
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== 'number') continue;
      const [run, tag] = /^validation[A-Z]/.test(name) ? ['validation', lower(name.slice(10))] : ['.', name];
      runs.set(run, [...(runs.get(run) ?? []), [tag, value]]);
    }
    for (const [run, scalars] of runs) this.#file(run).scalars(at as number, scalars);
  };

  /** Nothing can be written afterwards. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #file(run: string): EventFile {
    const file = this.#files.get(run) ?? new EventFile(join(this.directory, run), this.clock);
    this.#files.set(run, file);
    return file;
  }
}

/** A new file of events in a folder; TensorBoard reads all files of a folder as one run. */
class EventFile {
  readonly #file: number;

  constructor(
    directory: string,
    readonly clock: Clock,
  ) {
    mkdirSync(directory, { recursive: true });
    const name = `events.out.tfevents.${Math.floor(clock())}.${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}`;
    this.#file = openSync(join(directory, name), 'wx');
    this.#write({ file_version: 'brain.Event:2' });
  }

  scalars(step: number, values: readonly (readonly [tag: string, value: number])[]): void {
    const value = values.map(([tag, simple_value]) => ({ tag, simple_value }));
    this.#write({ step: Math.round(step), summary: { value } });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(event: object): void {
    writeSync(
      this.#file,
      tfRecord(
        eventType()
          .encode({ wall_time: this.clock(), ...event })
          .finish(),
      ),
    );
  }
}

/** A record of a TFRecord file: length, its checksum, the data, their checksum, numbers little-endian. */
export function tfRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return record;
}

const lower = (name: string) => name[0]!.toLowerCase() + name.slice(1);
