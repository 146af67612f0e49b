import { inspect } from 'node:util';
import { DRIVER_ONLY } from '../../protocol/driver-only.js';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import type { Step } from '../../scheduler/step.js';
import type { Terminal } from '../../scheduler/terminal.js';
import { shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { SheafContext } from '../context.js';
import { debugString, giveName, nameOf } from '../debug-string.js';
import { isPromise, refusePromise } from '../operator-failure.js';
import type { RDD } from '../rdd.js';
import type { Scan } from '../scan-step.js';

export type Awaitable<T> = T | Promise<T>;

/**
 * Stands beside a type to be inferred: TypeScript then takes `[word, 1]` for a pair `[string, number]`, not for an array. No value
 * has this type.
 */
export type TupleHint = [TupleHint, TupleHint];

/**
 * Type of a rest parameter that nobody gives: where the function's result is a promise the compiler asks for the argument that this
 * names, and so says that the operator takes no async function.
 */
export type NotAsync<U> = U extends PromiseLike<unknown> ? [error: 'this operator takes no async function'] : [];

/** What all families of operators stand on: a lineage node, and how a new RDD and a job are made of it. */
export abstract class RddBase<T> {
  /** Closures that capture an RDD are refused before any task starts. */
  readonly [DRIVER_ONLY] = 'an RDD';

  constructor(
    readonly context: SheafContext,
    readonly node: LineageNode,
  ) {}

  /** Number of this RDD, as in errors, events and `toDebugString`. */
  get id(): number {
    return this.node.id;
  }

  /** What `setName` gave. */
  get name(): string | undefined {
    return nameOf(this.node);
  }

  /** A name for people, in `toDebugString`. */
  setName(name: string): this {
    giveName(this.node, name);
    return this;
  }

  /** The lineage, this RDD first: operators, where they were called, numbers of partitions as far as they are planned. */
  toDebugString(): string {
    return debugString(this.node);
  }

  /** What `console.log` shows: not all that hangs on the context. */
  [inspect.custom](): string {
    return `${this.constructor.name}[${this.id}] ${this.node.name}`;
  }

  /** The RDD of another node; families know the class by its type only, so that modules have no circle. */
  protected abstract make<U>(node: LineageNode): RDD<U>;

  /** One step more, named by the operator and the line of the user's call. */
  protected derive<U>(step: Step, operator: string = step.kind): RDD<U> {
    return this.named(step, operatorName(operator));
  }

  protected named<U>(step: Step, name: string): RDD<U> {
    return this.make<U>(this.context.newNode(name, step, [this.node]));
  }

  /** A step of the engine's own that keeps something from row to row. */
  protected scanned<T, U>(scan: Scan<T, U>, name: string, parent = this.node): RDD<U> {
    const step: Step = { kind: 'module', module: 'rdd/scan-step', parameters: null, fn: scan };
    return this.make<U>(this.context.newNode(name, step, [parent]));
  }

  /** Nodes of this and of other RDDs for an operator of several. @throws TypeError for what is no RDD of this context */
  protected withOthers(operator: string, others: readonly RddBase<any>[]): LineageNode[] {
    for (const other of others) {
      if (!(other instanceof RddBase)) throw new TypeError(`${operator} needs RDDs, not ${shown(other)}`);
      if (other.context !== this.context) throw new TypeError(`${operator} needs RDDs of one SheafContext`);
    }
    return [this.node, ...others.map(({ node }) => node)];
  }

  /** A job over the partitions (default: all); one decoded answer a partition, in order. */
  protected answers<U>(
    terminal: Terminal,
    name: string,
    partitions?: readonly number[],
    merge?: (parts: U[]) => U,
  ): Promise<U[]> {
    return this.context.runJob({ top: this.node, terminal, name, partitions, merge }, (answer: Json) =>
      this.context.readValue<U>(answer),
    );
  }

  protected async rows(terminal: Terminal, name: string, partitions?: readonly number[]): Promise<T[]> {
    return (await this.answers<T[]>(terminal, name, partitions, (parts) => parts.flat(1) as T[])).flat(1) as T[];
  }
}

/** Combines partitions' results in order, in the driver. */
export function combine<U>(values: readonly U[], fn: (a: U, b: U) => U | TupleHint, name: string): U {
  return values.reduce((a, b) => {
    const combined = fn(a, b);
    return isPromise(combined) ? refusePromise(name) : (combined as U);
  });
}
