import { describe, expect, it, vi } from 'vitest';
import { METRICS, SimulatedExecutor } from '../../test/support/simulated-executor.js';
import { VirtualClock } from '../../test/support/virtual-clock.js';
import type { BlockRef, Blocks, CopiedBlock } from '../protocol/block.js';
import type { TimedEvent } from '../protocol/event.js';
import type { Json } from '../protocol/json.js';
import type { Task, TaskMessage, TaskOutcome } from '../protocol/task.js';
import { DagScheduler } from './dag-scheduler.js';
import { EventBus } from './event-bus.js';
import { JobError } from './job-error.js';
import type { LineageNode } from './lineage.js';
import type { MapOutput } from './map-outputs.js';
import { memoryQueue } from './queue/memory.js';
import type { Step } from './step.js';
import { TaskScheduler } from './task-scheduler.js';

let ids = 0;
function node(step: Step, parents: LineageNode[] = [], more: Partial<LineageNode> = {}): LineageNode {
  return { id: ids++, name: `${step.kind} at job.ts:${ids}`, step, parents, ...more };
}
const source = (partitions: number) =>
  node({ kind: 'source', source: { module: 'm', options: null, batches: false } }, [], {
    splits: Array.from({ length: partitions }, (_, split) => split),
  });
const shuffle = (parent: LineageNode, maps: number, partitions: number) =>
  node({ kind: 'shuffle-read' }, [parent], {
    shuffle: { id: ids++, partitions, partitioner: { kind: 'neighbours', maps } },
  });

/** Blocks of the driver: what it puts it can read. */
class DriverBlocks implements Blocks {
  readonly kept = new Map<string, Buffer>();

  async put(id: string, scope: string, bytes: Uint8Array): Promise<BlockRef> {
    this.kept.set(id, Buffer.from(bytes));
    return { id, scope, bytes: bytes.length, crc32: 0, at: [] };
  }

  async get({ id }: BlockRef): Promise<Buffer> {
    return this.kept.get(id)!;
  }

  async copy(ref: BlockRef): Promise<CopiedBlock> {
    return { ...ref, from: 'driver' };
  }

  drop(): void {}
}

/**
 * Executors that keep map outputs until they die. A map task leaves a block, a reduce task reads all its map outputs,
 * or fails with the first that is not there; it answers with the number of maps it read.
 */
async function cluster(names: readonly string[]) {
  const clock = new VirtualClock();
  const queue = memoryQueue({ clock, warn: () => {} });
  const bus = new EventBus(clock);
  const events: TimedEvent[] = [];
  bus.listen((event) => events.push(event));
  const limits = { maxFailures: 4, localityWaitMs: 50, executorWaitMs: 60_000 };
  const tasks = new TaskScheduler(queue.driver('d'), bus, { driver: 'd', depth: 2, ...limits });
  await tasks.open();
  const driverBlocks = new DriverBlocks();
  const stored = new Map<string, Set<string>>();
  const ran: string[] = [];

  const readable = ({ id, at }: BlockRef) => at.some(({ holder }) => stored.get(holder)?.has(id));
  const mapTask = (task: Task, executor: string): Json => {
    const id = `map:${task.partition}`;
    stored.get(executor)!.add(id);
    const at = [{ holder: executor, host: 'h', path: '', url: '' }];
    return { block: { id, scope: 's', bytes: 1, crc32: 0, at }, segments: [] } as unknown as Json;
  };
  const answer = (task: Task, message: TaskMessage): TaskOutcome => {
    const kind = message.program.module;
    ran.push(`${kind} ${task.partition}`);
    const done = { ...task, metrics: METRICS };
    if (kind === 'map') return { ...done, ok: true, value: mapTask(task, message.executor) };
    const { statuses = {} } = task.inputs as unknown as { statuses?: Record<string, BlockRef> };
    let maps = 0;
    for (const status of Object.values(statuses))
      for (const { block } of JSON.parse(driverBlocks.kept.get(status.id)!.toString()) as MapOutput[]) {
        if (!readable(block))
          return { ...done, ok: false, failure: { kind: 'fetch-failed', message: `no ${block.id}`, block } };
        maps++;
      }
    return { ...done, ok: true, value: maps };
  };
  const executors = new Map<string, SimulatedExecutor>();
  const join = async (name: string) => {
    stored.set(name, new Set());
    const behaviour = {
      takes: () => 100,
      answer: (message: TaskMessage) => message.tasks.map((task) => answer(task, message)),
    };
    executors.set(name, await new SimulatedExecutor(queue, clock, name, 1, behaviour).join());
  };
  for (const name of names) await join(name);
  const kill = (name: string) => {
    stored.delete(name);
    executors.get(name)!.die();
    queue.loseExecutor(name, 'killed');
  };
  const released: string[] = [];
  const dag = new DagScheduler(tasks, driverBlocks, async (stage) => {
    const module = stage.terminal.kind === 'shuffle-write' ? 'map' : 'reduce';
    return { module, parameters: await driverBlocks.put(`program:${module}`, 's', new Uint8Array(1)) };
  });
  dag.onRelease = (scope) => released.push(scope);
  const run = async (top: LineageNode, by = dag) => {
    let done = false;
    const result = by.run({ top, terminal: { kind: 'count' }, name: 'count at job.ts:9' }, async (value) => value);
    result
      .catch(() => {})
      .finally(() => {
        done = true;
      });
    await clock.until(() => done);
    return result;
  };
  const on = (test: (event: TimedEvent) => boolean, act: () => void) => {
    const stop = bus.listen((event) => {
      if (!test(event)) return;
      stop();
      act();
    });
  };
  return { dag, run, on, kill, join, stored, ran, events, released, bus };
}

const mapStageEnds = (event: TimedEvent) => event.event === 'stage-end' && event.ok;

describe('a job of two stages', () => {
  it('runs the map stage, then the reduce stage, and releases its scope', async () => {
    const { run, ran, released, events } = await cluster(['a', 'b']);
    expect(await run(shuffle(source(6), 6, 4))).toEqual([6, 6, 6, 6]);
    expect(ran.filter((task) => task.startsWith('map')).length).toBe(6);
    expect(ran.indexOf('reduce 0')).toBeGreaterThan(5);
    expect(released).toEqual(['d/job-0']);
    expect(events.at(-1)).toMatchObject({ event: 'job-end', ok: true });
  });

  it('makes all the outputs of a lost executor again at once, however many they are, and no others', async () => {
    const { run, ran, on, kill, join } = await cluster(['a', 'b']);
    on(mapStageEnds, () => {
      kill('a');
      void join('c');
    });
    expect(await run(shuffle(source(40), 40, 4))).toEqual([40, 40, 40, 40]);
    const maps = ran.filter((task) => task.startsWith('map'));
    expect(maps.length).toBeGreaterThan(55);
    expect(maps.length).toBeLessThan(72);
  });

  it('does so too for what an executor had finished when it was lost in the middle of the map stage', async () => {
    const { run, ran, on, kill, join } = await cluster(['a', 'b']);
    let ended = 0;
    on(
      (event) => event.event === 'task-end' && ++ended === 20,
      () => {
        kill('a');
        void join('c');
      },
    );
    expect(await run(shuffle(source(40), 40, 2))).toEqual([40, 40]);
    expect(ran.filter((task) => task === 'reduce 0').length).toBe(1);
  });

  it('makes one output again that its living holder cannot give, and runs only what had not finished', async () => {
    const { run, ran, on, stored } = await cluster(['a']);
    on(mapStageEnds, () => stored.get('a')!.delete('map:3'));
    expect(await run(shuffle(source(6), 6, 3))).toEqual([6, 6, 6]);
    expect(ran.filter((task) => task === 'map 3').length).toBe(2);
    expect(ran.filter((task) => task === 'map 2').length).toBe(1);
  });

  it('is given up when an output is lost again and again', async () => {
    const { run, stored, bus, events } = await cluster(['a']);
    bus.listen((event) => {
      if (mapStageEnds(event)) stored.get('a')!.delete('map:1');
    });
    const failed = run(shuffle(source(2), 2, 1));
    await expect(failed).rejects.toThrow(JobError);
    await expect(failed).rejects.toThrow(/count at job\.ts:9 failed in partition 0 of "shuffle-read at.*no map:1/);
    expect(events.at(-1)).toMatchObject({ event: 'job-end', ok: false });
  });
});

it('tasks go through unions as these were compiled, whatever is unpersisted meanwhile', async () => {
  const { dag, run } = await cluster(['a']);
  const inner = node({ kind: 'union' }, [source(1), source(1)], { persisted: { level: 'MEMORY', scope: 'd/rdd-1' } });
  const top = node({ kind: 'union' }, [inner, source(1)]);
  const unpersisting = new DagScheduler(dag.tasks, dag.blocks, async (stage, scope, name) => {
    await null;
    inner.persisted = undefined;
    return dag.compile(stage, scope, name);
  });
  const sets = vi.spyOn(dag.tasks, 'run');
  await run(top, unpersisting);
  const [set] = sets.mock.calls[0]!;
  expect(set.tasks.map(({ inputs }) => (inputs as { choice: number }).choice)).toEqual([0, 0, 1]);
});
