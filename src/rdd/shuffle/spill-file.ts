import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { FailureError } from '../../protocol/failure.js';
import type { TaskContext } from '../../protocol/program.js';
import { bytesOf, decodeChunks, encodeChunks } from '../chunk-codec.js';
import type { Chunk } from '../chunks.js';

/** A stretch of a spill file. */
export interface SpilledRun {
  readonly offset: number;
  readonly bytes: number;
}

/** A slot runs one task at a time: what is open when it ends was left by a failure. */
const open = new Set<SpillFile>();

/** Removes the spill files of a task, however it ended. */
export function closeSpills(): void {
  for (const file of open) file[Symbol.dispose]();
}

/** Chunks that memory had no room for, in one file of the slot's scratch directory, until the task has ended at the latest. */
export class SpillFile implements Disposable {
  #file: number | undefined;
  #end = 0;
  readonly #path: string;

  constructor(readonly context: TaskContext) {
    this.#path = join(context.directory, `spill-${randomUUID()}`);
  }

  /** @throws FailureError `resource` when the disk has no room */
  append(chunks: readonly Chunk[]): SpilledRun {
    return this.appendBytes(encodeChunks(chunks));
  }

  appendBytes(parts: readonly Uint8Array[]): SpilledRun {
    const run = { offset: this.#end, bytes: bytesOf(parts) };
    try {
      this.#file ??= openSync(this.#path, 'wx+');
      open.add(this);
      writeAll(this.#file, parts);
    } catch (error) {
      throw new FailureError({
        kind: 'resource',
        message: `rows could not be spilled to disk: ${(error as Error).message}`,
      });
    }
    this.#end += run.bytes;
    const { metrics } = this.context;
    metrics.bytesSpilled = (metrics.bytesSpilled ?? 0) + run.bytes;
    return run;
  }

  read(run: SpilledRun): Chunk[] {
    return decodeChunks(this.readBytes(run));
  }

  readBytes({ offset, bytes }: SpilledRun): Buffer {
    const target = Buffer.allocUnsafeSlow(bytes); // in a buffer of its own, aligned for typed columns
    for (let done = 0; done < bytes; ) {
      const count = readSync(this.#file!, target, done, bytes - done, offset + done);
      if (count === 0) throw new FailureError({ kind: 'resource', message: `${this.#path} was cut off` });
      done += count;
    }
    return target;
  }

  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    open.delete(this);
    rmSync(this.#path, { force: true });
  }
}

/** More than the system takes in one call. */
const WRITE_PARTS = 512;

function writeAll(file: number, parts: readonly Uint8Array[]): void {
  for (let from = 0; from < parts.length; from += WRITE_PARTS) {
    let rest = parts.slice(from, from + WRITE_PARTS).filter(({ length }) => length > 0);
    while (rest.length > 0) {
      let written = writevSync(file, rest);
      while (rest.length > 0 && written >= rest[0]!.length) written -= rest.shift()!.length;
      if (written > 0) rest = [rest[0]!.subarray(written), ...rest.slice(1)];
    }
  }
}
