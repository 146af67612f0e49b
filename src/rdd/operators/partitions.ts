import { types } from 'node:util';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { requireFunction, shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import { isPromise } from '../operator-failure.js';
import type { PipeParameters } from '../pipe-step.js';
import type { RDD } from '../rdd.js';
import type { Scan } from '../scan-step.js';
import type { Awaitable } from './base.js';
import { Sampling } from './sampling.js';

export interface PipeOptions {
  /** Added to the slot's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the slot's. */
  readonly cwd?: string;
}

/** What depends on partitions as such: numbering of rows, outside programs, one partition after the other. */
export abstract class PartitionOperators<T> extends Sampling<T> {
  /**
   * Pairs each row with its number in the whole data set, from 0. With several partitions the first job over the result
   * first counts the rows of all but the last.
   * @example sc.parallelize(['a', 'b']).zipWithIndex() // ['a', 0], ['b', 1]
   */
  zipWithIndex(): RDD<[T, number]> {
    const name = operatorName('zipWithIndex');
    const first: number[] = [];
    const count = async () => {
      const partitions = await this.getNumPartitions();
      const counted = [...Array(partitions - 1).keys()];
      const sizes = await this.context.runJob(
        { top: this.node, terminal: { kind: 'count' }, name, partitions: counted },
        async (answer) => answer as number,
      );
      first[0] = 0;
      for (const [p, size] of sizes.entries()) first[p + 1] = first[p]! + size;
    };
    return this.#numbered(name, count, (partition) => {
      let next = first[partition] ?? 0;
      return (rows) => rows.map((row): [T, number] => [row, next++]);
    });
  }

  /**
   * Pairs each row with a number that no other row has: row i of partition k of n gets i * n + k. Counts nothing beforehand.
   */
  zipWithUniqueId(): RDD<[T, number]> {
    const name = operatorName('zipWithUniqueId');
    const known = { partitions: 1 };
    const plan = async () => {
      known.partitions = await this.getNumPartitions();
    };
    return this.#numbered(name, plan, (partition) => {
      let next = partition - known.partitions;
      return (rows) =>
        rows.map((row): [T, number] => {
          next += known.partitions;
          return [row, next];
        });
    });
  }

  /**
   * Runs a program over each partition: rows go to its standard input, one line each, and the lines of its output are the
   * new rows. Both stream; what it writes to standard error goes to the slot's.
   * @param command split at spaces, no shell; or the program and its arguments. `['sh', '-c', …]` for a shell
   * @throws JobError when the program cannot be started, or ends with an exit code other than 0 (with its last lines of standard error)
   * @example sc.textFile('log').pipe(['grep', '-v', 'debug level'])
   */
  pipe(command: string | readonly [string, ...string[]], { env, cwd }: PipeOptions = {}): RDD<string> {
    const words = typeof command === 'string' ? command.split(/\s+/).filter((word) => word !== '') : command;
    if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== 'string' || word === ''))
      throw new TypeError(`pipe needs a command: a text, or an array of texts, not ${shown(command)}`);
    if (env !== undefined && Object.values(env).some((value) => typeof value !== 'string'))
      throw new TypeError(`the env of pipe must hold texts, not ${shown(env)}`);
    if (cwd !== undefined && typeof cwd !== 'string')
      throw new TypeError(`the cwd of pipe must be a path, not ${shown(cwd)}`);
    const parameters: PipeParameters = { command: [...words], env: { ...env }, ...(cwd === undefined ? {} : { cwd }) };
    return this.derive({ kind: 'module', module: 'rdd/pipe-step', parameters: parameters as unknown as Json }, 'pipe');
  }

  /** Calls `fn` once with the rows of each partition, on the executors, for what it does there. It may be async. */
  async foreachPartition(fn: (rows: IterableIterator<T>) => Awaitable<void>): Promise<void> {
    requireFunction('foreachPartition', fn);
    const name = operatorName('foreachPartition');
    const call = types.isAsyncFunction(fn)
      ? async (rows: IterableIterator<T>) => {
          await fn(rows);
          return [];
        }
      : (rows: IterableIterator<T>) => {
          const result: unknown = fn(rows);
          return isPromise(result) ? result : []; // a promise is refused, naming the operator
        };
    const called = this.named({ kind: 'mapPartitions', fn: call, withIndex: false }, name);
    await this.context.runJob({ top: called.node, terminal: { kind: 'count' }, name }, async () => undefined);
  }

  /**
   * All rows, one partition in the driver's memory at a time (two: the next is computed meanwhile), a job for each.
   * @example for await (const row of rows.toLocalIterator()) console.log(row);
   */
  toLocalIterator(): AsyncIterableIterator<T> {
    const name = operatorName('toLocalIterator');
    const rowsOf = (partition: number) => {
      const rows = this.rows({ kind: 'collect' }, name, [partition]);
      rows.catch(() => {}); // told when its turn comes; nobody asks after a break
      return rows;
    };
    const partitions = () => this.getNumPartitions();
    return (async function* () {
      const count = await partitions();
      let next = count > 0 ? rowsOf(0) : undefined;
      for (let partition = 0; next; partition++) {
        const rows: T[] = await next;
        next = partition + 1 < count ? rowsOf(partition + 1) : undefined;
        yield* rows;
      }
    })();
  }

  /**
   * A step whose function captures what `prepare` finds out. A leaf without partitions hangs beside this node: the first job
   * plans it before it ships the function, and after it has planned this node's own sources.
   */
  #numbered<U>(name: string, prepare: () => Promise<void>, scan: Scan<T, U>): RDD<U> {
    const source = { module: 'rdd/sources/collection-reader', options: null, batches: false };
    const planner = {
      plan: async () => {
        await prepare();
        return { splits: [] };
      },
    };
    const leaf: LineageNode = { ...this.context.newNode(name, { kind: 'source', source }, []), planner };
    const beside = this.context.newNode(name, { kind: 'union' }, [this.node, leaf]);
    return this.scanned(scan, name, beside);
  }
}
