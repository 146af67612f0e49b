import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { nativeAddon } from '../native/addon.js';
import { alignedFloats, bytesOf } from '../ps/float-bytes.js';

/** A matrix that is filled row after row and then only read. */
export interface ShardMatrix {
  /** @param values of whole rows */
  append(values: Float32Array): void;
  /** @returns all values, of exactly the rows announced. @throws RangeError when there were others */
  finish(): Float32Array;
}

/** In memory, where graphs read it without a copy. */
export function matrixInMemory(rows: number, width: number): ShardMatrix {
  const matrix = alignedFloats(rows * width);
  let at = 0;
  return {
    append(values) {
      matrix.set(values, at);
      at += values.length;
    },
    finish: () => whole(matrix, at),
  };
}

/**
 * In a file that is mapped into memory: the operating system reads the pages that are looked at, and drops those it needs the
 * memory of. The file has no name any more by then, so its space is free again when the matrix is collected, or the process
 * ends, however.
 *
 * @param directory on a disk, not in memory
 * @throws Error without the native add-on
 */
export function matrixInFile(rows: number, width: number, directory: string): ShardMatrix {
  const folder = mkdtempSync(join(directory, 'shard-'));
  const path = join(folder, 'features');
  const file = openSync(path, 'w');
  let at = 0;
  return {
    append(values) {
      const bytes = bytesOf(values);
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
      at += values.length;
    },
    finish() {
      closeSync(file);
      try {
        const bytes = 4 * rows * width;
        if (4 * at !== bytes || bytes === 0) return whole(new Float32Array(rows * width), at);
        return new Float32Array(nativeAddon()!.map(path, bytes, true));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

function whole(matrix: Float32Array, filled: number): Float32Array {
  if (filled !== matrix.length) throw new RangeError(`a matrix of ${matrix.length} values was given ${filled}`);
  return matrix;
}
