import './shared-modules.js';
import { loadBundle, unloadBundle } from '../executor/bundle.js';
import { decodeValue, restoreFunction, type ShippedFunction } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { PreparedProgram, SlotContext, SlotProgram, TaskContext } from '../protocol/program.js';
import type { Task } from '../protocol/task.js';
import type { MapOutput } from '../scheduler/map-outputs.js';
import type { PartitionInput } from '../scheduler/partition-input.js';
import { placesByKey, type ShuffleSpec } from '../scheduler/shuffle-spec.js';
import type { Step } from '../scheduler/step.js';
import type { Terminal } from '../scheduler/terminal.js';
import type { ShippedBroadcast } from './broadcast-task.js';
import { type Chunks, rowsOf } from './chunks.js';
import { engineModule } from './engine-module.js';
import type { RowSink } from './fuse.js';
import { type NamedSink, type PipelineNode, type StepFunction, startOf } from './fused-chain.js';
import { provideFiles, receiveFiles, type ShippedFile } from './job-files.js';
import { slotMemory } from './memory/slot-memory.js';
import { foreachAsync } from './partition-steps.js';
import { packPayload } from './payload.js';
import type { ShippedPersisted } from './persistence/persisted.js';
import { storageReports } from './persistence/storage-reports.js';
import { compute, type PartitionContext, runInto } from './pipeline.js';
import { withSharedVariables } from './shared-variables-task.js';
import { KeySample } from './shuffle/key-sample.js';
import { type Place, placeOf } from './shuffle/place.js';
import { closeSpills } from './shuffle/spill-file.js';
import { CombineWriter, type MapTask, ScatterWriter, writeChunks } from './shuffle/write.js';
import { openStorage, type StorageSettings } from './storage/storage.js';

/** A stage as it travels: nodes leaves first, parents by id, functions shipped. */
export interface ShippedStage {
  readonly nodes: readonly ShippedNode[];
  readonly terminal: Terminal<ShippedFunction>;
  readonly terminalName: string;
  /** Owns the blocks that the stage's tasks leave. */
  readonly scope: string;
  /** The job's bundle, when it was submitted as one. */
  readonly bundle?: { readonly block: BlockRef; readonly file: string };
  /** Of `sheaf.files`. */
  readonly files: readonly ShippedFile[];
  readonly storage: StorageSettings;
  /** What the functions use of `sc.broadcast`. */
  readonly broadcasts: readonly ShippedBroadcast[];
}

export interface ShippedNode {
  readonly id: number;
  readonly name: string;
  readonly step: Step<ShippedFunction>;
  readonly parents: readonly number[];
  readonly shuffleId?: number;
  readonly persisted?: ShippedPersisted;
}

const stageProgram: SlotProgram = {
  async prepare(parameters, slot) {
    const stage = decodeValue(parameters) as ShippedStage;
    const files = await receiveFiles(stage.files, slot);
    provideFiles(files); // the bundle's top-level code may read them
    if (stage.bundle) await loadSharedBundle(stage.bundle, slot);
    return withSharedVariables(stage, slot, () => new StageTasks(stage, files));
  },
};
export default stageProgram;

class StageTasks implements PreparedProgram {
  readonly #top: PipelineNode;
  readonly #terminal: Terminal<StepFunction>;
  readonly #sink: NamedSink | undefined;
  /** Where a map task's pairs go. */
  readonly #place: Place | undefined;

  constructor(
    readonly stage: ShippedStage,
    readonly files: ReadonlyMap<string, string>,
  ) {
    const nodes = new Map<number, PipelineNode>();
    for (const { step, parents: ids, ...node } of stage.nodes) {
      const parents = ids.map((id) => nodes.get(id)!);
      const depth = parents.reduce((deepest, parent) => Math.max(deepest, parent.depth + 1), 0);
      nodes.set(node.id, { ...node, step: restored(step), parents, depth });
    }
    this.#top = nodes.get(stage.nodes.at(-1)!.id)!;
    this.#terminal = restored(stage.terminal);
    const sink = sinkOf(this.#terminal);
    const zero = this.#terminal.kind === 'aggregate' ? this.#terminal.zero : undefined;
    const name = this.#terminal.kind === 'shuffle-write' ? this.#terminal.name : stage.terminalName;
    this.#sink = sink && { sink, name, zero };
    this.#place = placeOfTerminal(this.#terminal, name);
  }

  async run(task: Task, context: TaskContext): Promise<Json> {
    const inputs = task.inputs as unknown as PartitionInput & Partial<Pick<PartitionContext, 'statuses' | 'stored'>>;
    const { metrics } = context;
    provideFiles(this.files); // the slot may have run another application's task before
    const report = (counter: string, amount: number) => {
      metrics.counters ??= {};
      metrics.counters[counter] = (metrics.counters[counter] ?? 0) + amount;
    };
    const storage = openStorage(this.stage.storage);
    const { statuses = {}, stored = {} } = inputs;
    try {
      return await this.#finish(inputs, { task: context, statuses, stored, storage, report }, task);
    } finally {
      closeSpills();
      slotMemory().releaseExecution();
      const updates = await storageReports(this.stage.scope, context.residents).take();
      if (updates) metrics.storage = updates;
    }
  }

  async #finish(input: PartitionInput, context: PartitionContext, task: Task): Promise<Json> {
    const terminal = this.#terminal;
    const { scope, terminalName } = this.stage;
    const { signal } = context.task;
    const chunks = () => compute(this.#top, input, context);
    const loop = () => runInto(this.#top, input, this.#sink!, context);
    const payload = (value: unknown) =>
      packPayload(value, `result:${task.stage}:${task.partition}`, scope, context.task);
    switch (terminal.kind) {
      case 'count':
        return (await loop()).count;
      case 'collect':
        if (terminal.limit !== undefined) return payload(await firstRows(chunks(), terminal.limit));
        return payload((await loop()).out);
      case 'reduce': {
        const { started, accumulated } = await loop();
        return started ? payload(accumulated) : null;
      }
      case 'aggregate':
        return payload((await loop()).accumulated);
      case 'foreach':
        if (terminal.fn.async) await foreachAsync(chunks(), terminal.fn, terminalName, signal);
        else await loop();
        return null;
      case 'shuffle-write':
        return (await this.#writeShuffle(terminal.shuffle, task.partition, input, context)) as unknown as Json;
      case 'sample-keys': {
        const sample = new KeySample(terminal.size, input.partition);
        await runInto(this.#top, input, this.#sink!, context, sample);
        return payload([sample.keys, sample.rows]);
      }
      case 'module': {
        const module = await engineModule(terminal.module);
        return module.consume(chunks(), terminal.parameters, context.task, input.partition);
      }
    }
  }

  /** @param map number of the task */
  async #writeShuffle(
    shuffle: ShuffleSpec,
    map: number,
    input: PartitionInput,
    context: PartitionContext,
  ): Promise<MapOutput> {
    const task: MapTask = { shuffle, map, scope: this.stage.scope, context: context.task };
    if (!this.#place) return writeChunks(compute(this.#top, input, context), task);
    const { kind } = this.#sink!.sink;
    using writer = kind === 'combine' ? new CombineWriter(task, this.#place) : new ScatterWriter(task, this.#place);
    await runInto(this.#top, input, this.#sink!, context, writer);
    return writer.finish();
  }
}

function placeOfTerminal(terminal: Terminal<StepFunction>, name: string): Place | undefined {
  if (terminal.kind !== 'shuffle-write') return undefined;
  const { partitioner, partitions } = terminal.shuffle;
  return placeOf(partitioner, partitions, name, terminal.place?.call);
}

/** What a terminal does with each row, where it can stand in a generated loop. */
function sinkOf(terminal: Terminal<StepFunction>): RowSink | undefined {
  if (terminal.kind === 'collect') return { kind: 'array' };
  if (terminal.kind === 'count') return { kind: 'count' };
  if (terminal.kind === 'foreach') return { kind: 'foreach', fn: terminal.fn.call };
  if (terminal.kind === 'sample-keys') return { kind: 'pairs' };
  if (terminal.kind === 'shuffle-write') {
    if (!placesByKey(terminal.shuffle.partitioner)) return undefined;
    if (!terminal.merge) return { kind: 'pairs' };
    return { kind: 'combine', create: startOf(terminal, terminal.merge), merge: terminal.merge.call };
  }
  if (terminal.kind === 'reduce' || terminal.kind === 'aggregate') return { kind: 'fold', fn: terminal.fn.call };
  return undefined;
}

async function firstRows(chunks: Chunks, limit: number): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const chunk of chunks) {
    for (const row of rowsOf(chunk)) {
      rows.push(row);
      if (rows.length === limit) return rows;
    }
  }
  return rows;
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

/** A slot evaluates a bundle once, however many stages use it, and forgets it with the last application that does. */
async function loadSharedBundle({ block, file }: { block: BlockRef; file: string }, slot: SlotContext): Promise<void> {
  const id = `bundle:${block.scope}:${block.sha256}`;
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
  slot.residents.set(id, block.scope, true, () => unloadBundle(block.sha256!));
}
