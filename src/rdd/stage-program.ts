import './shared-modules.js';
import { loadBundle } from '../executor/bundle.js';
import { decodeValue, encodeValue, restoreFunction, type ShippedFunction } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { PreparedProgram, SlotContext, SlotProgram, TaskContext } from '../protocol/program.js';
import type { Task } from '../protocol/task.js';
import type { PartitionInput, Step, Terminal } from '../scheduler/lineage.js';
import { chunkLength } from './chunks.js';
import { packPayload } from './payload.js';
import {
  compute,
  counted,
  type PartitionContext,
  type PipelineNode,
  rowsOf,
  runInto,
  type StepFunction,
} from './pipeline.js';
import { writeShuffle } from './shuffle-io.js';

/** A stage as it travels: nodes leaves first, parents by id, functions shipped. */
export interface ShippedStage {
  readonly nodes: readonly ShippedNode[];
  readonly terminal: Terminal<ShippedFunction>;
  readonly terminalName: string;
  /** Owns the blocks that the stage's tasks leave. */
  readonly scope: string;
  /** The job's bundle, when it was submitted as one. */
  readonly bundle?: { readonly block: BlockRef; readonly file: string };
}

export interface ShippedNode {
  readonly id: number;
  readonly name: string;
  readonly step: Step<ShippedFunction>;
  readonly parents: readonly number[];
  readonly shuffleId?: number;
  readonly cacheScope?: string;
}

const stageProgram: SlotProgram = {
  async prepare(parameters, slot) {
    const stage = decodeValue(parameters) as ShippedStage;
    if (stage.bundle) await loadSharedBundle(stage.bundle, slot);
    return new StageTasks(stage);
  },
};
export default stageProgram;

class StageTasks implements PreparedProgram {
  readonly #top: PipelineNode;
  readonly #terminal: Terminal<StepFunction>;

  constructor(readonly stage: ShippedStage) {
    const nodes = new Map<number, PipelineNode>();
    for (const { step, parents, ...node } of stage.nodes)
      nodes.set(node.id, { ...node, step: restored(step), parents: parents.map((id) => nodes.get(id)!) });
    this.#top = nodes.get(stage.nodes.at(-1)!.id)!;
    this.#terminal = restored(stage.terminal);
  }

  async run(task: Task, context: TaskContext): Promise<Json> {
    const inputs = task.inputs as unknown as PartitionInput & { statuses?: PartitionContext['statuses'] };
    const { metrics } = context;
    return this.#finish(inputs, {
      task: context,
      statuses: inputs.statuses ?? {},
      report(counter, amount) {
        metrics.counters ??= {};
        metrics.counters[counter] = (metrics.counters[counter] ?? 0) + amount;
      },
    });
  }

  async #finish(input: PartitionInput, context: PartitionContext): Promise<Json> {
    const terminal = this.#terminal;
    const { task } = context;
    const { scope, terminalName } = this.stage;
    const chunks = () => counted(compute(this.#top, input, context), task);
    const payload = (value: unknown) => packPayload(encodeValue(value), `result:${input.partition}`, scope, task);
    switch (terminal.kind) {
      case 'count': {
        if (!hasRowOperators(this.#top)) {
          let count = 0;
          for await (const chunk of chunks()) count += chunkLength(chunk);
          return count;
        }
        return (await runInto(this.#top, input, { kind: 'count' }, terminalName, context)).count;
      }
      case 'collect': {
        const rows: unknown[] = [];
        for await (const chunk of chunks()) {
          for (const row of rowsOf(chunk)) rows.push(row);
          if (terminal.limit !== undefined && rows.length >= terminal.limit) break;
        }
        return payload(terminal.limit === undefined ? rows : rows.slice(0, terminal.limit));
      }
      case 'reduce': {
        const sink = { kind: 'fold', fn: terminal.fn.call } as const;
        const { started, accumulated } = await runInto(this.#top, input, sink, terminalName, context);
        return started ? payload(accumulated) : null;
      }
      case 'aggregate': {
        const sink = { kind: 'fold', fn: terminal.fn.call } as const;
        return payload((await runInto(this.#top, input, sink, terminalName, context, terminal.zero)).accumulated);
      }
      case 'foreach': {
        if (!terminal.fn.async) {
          await runInto(this.#top, input, { kind: 'foreach', fn: terminal.fn.call }, terminalName, context);
          return null;
        }
        for await (const chunk of chunks()) for (const row of rowsOf(chunk)) await terminal.fn.call(row);
        return null;
      }
      case 'shuffle-write':
        return (await writeShuffle(chunks(), terminal.shuffle, input.partition, scope, task)) as unknown as Json;
      case 'module': {
        const module = await import(new URL(`../${terminal.module}.js`, import.meta.url).href);
        return module.consume(chunks(), terminal.parameters, task, input.partition);
      }
    }
  }
}

function hasRowOperators(node: PipelineNode): boolean {
  return node.step.kind === 'map' || node.step.kind === 'filter' || node.step.kind === 'flatMap';
}

/** Restores every function of a step or terminal; all else stays as it is. */
function restored<T extends object>(step: T): any {
  const functions = Object.entries(step).filter(([, value]) => isShipped(value));
  const calls = functions.map(([key, shipped]) => [key, { call: restoreFunction(shipped), async: shipped.async }]);
  return { ...step, ...Object.fromEntries(calls) };
}

function isShipped(value: unknown): value is ShippedFunction {
  return typeof value === 'object' && value !== null && 'source' in value && 'async' in value;
}

/** A slot evaluates a bundle once, however many stages use it. */
async function loadSharedBundle({ block, file }: { block: BlockRef; file: string }, slot: SlotContext): Promise<void> {
  const id = `bundle:${block.sha256}`;
  if (slot.residents.get(id)) return;
  const code = (await slot.blocks.get(block)).toString();
  try {
    loadBundle(code, block.sha256!, file);
  } catch (error) {
    const { message, stack } = error as Error;
    throw new FailureError({
      kind: 'user-error',
      message: `the job's top-level code failed on an executor: ${message}`,
      stack,
    });
  }
  slot.residents.set(id, block.scope, true);
}
