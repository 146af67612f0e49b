import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RDD, SheafContext } from 'sheaf';

/** A file in which tasks leave a line for each partition that they compute. */
export class Trace {
  readonly directory = mkdtempSync(join(tmpdir(), 'sheaf-trace-'));
  readonly #file = join(this.directory, 'computed');

  /** Which partitions were computed, in order of number, once for each time. */
  computed(): number[] {
    if (!existsSync(this.#file)) return [];
    return readFileSync(this.#file, 'utf8')
      .trim()
      .split('\n')
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Partitions computed since the last call. */
  since(): number[] {
    const all = this.computed();
    rmSync(this.#file, { force: true });
    return all;
  }

  /** `rows` numbers from 0 on in partitions; computing one leaves a line in the file. */
  range(sc: SheafContext, rows: number, partitions: number): RDD<number> {
    const file = this.#file;
    return sc.range(0, rows, 1, partitions).mapPartitionsWithIndex((index, numbers) => {
      appendFileSync(file, `${index}\n`);
      return numbers;
    });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
