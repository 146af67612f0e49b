import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { TaskMessage } from '../protocol/task.js';
import { type GuardOptions, spawnGuarded } from './guardian.js';
import { Slot } from './slot.js';
import type { FromSlot, SlotInit, ToSlot } from './slot-main.js';

/** In place of slot processes: they answer and die when the test says so. */
vi.mock('./guardian.js', async (original) => ({
  ...(await original<typeof import('./guardian.js')>()),
  spawnGuarded: vi.fn((_command: string, _flags: string[], { env }: GuardOptions) => new Process(env!)),
}));
const started: Process[] = [];
class Process {
  readonly init: SlotInit;
  readonly sent: ToSlot[] = [];
  readonly process = Object.assign(new EventEmitter(), {
    connected: true,
    send: (order: ToSlot) => this.sent.push(order),
  });
  die!: () => void;
  readonly ended = new Promise<number>((resolve) => {
    this.die = () => {
      this.process.connected = false;
      resolve(137);
    };
  });

  constructor(env: NodeJS.ProcessEnv) {
    this.init = JSON.parse(env.SHEAF_SLOT!);
    started.push(this);
  }

  answer(needed?: readonly string[]): void {
    const order = this.sent.findLast(({ kind }) => kind === 'run') as { message: TaskMessage };
    const answer: FromSlot = { kind: 'done', id: order.message.id, outcomes: [], ...(needed && { needed }) };
    this.process.emit('message', answer);
  }

  async kill(): Promise<number> {
    this.die();
    return this.ended;
  }
}

const parameters = { id: 'p', scope: 's', bytes: 0, crc32: 0, at: [] };
const message = (id: string): TaskMessage => ({
  ...{ id, driver: 'd', executor: 'e', slot: 0, sentAt: 0, program: { module: 'm', parameters } },
  tasks: [{ job: 'j', stage: 0, stageAttempt: 0, partition: 3, attempt: 0, inputs: null }],
});
const lost = [expect.objectContaining({ partition: 3, failure: expect.objectContaining({ kind: 'executor-lost' }) })];
/** What follows from a death has happened. */
const settled = () => new Promise(setImmediate);

let root: string;
let slot: Slot;
const slotIn = (directory: string) => {
  const home = { holder: 'e', host: 'h', url: '', token: '', memoryDirectory: root, diskDirectory: root };
  return new Slot(0, 'e', home, directory, {}, ['rdd/stage-program']);
};
beforeEach(() => {
  started.length = 0;
  vi.mocked(spawnGuarded).mockClear();
  root = mkdtempSync(join(tmpdir(), 'slot-'));
  slot = slotIn(root);
});
afterEach(async () => {
  await slot.close();
  rmSync(root, { recursive: true });
});

it('whose process cannot be started loses its message, and nothing else', async () => {
  const file = join(root, 'no-directory');
  writeFileSync(file, '');
  slot = slotIn(file);
  const outcomes = await Promise.all([slot.run(message('m')), slot.run(message('n'))]);
  for (const [outcome] of outcomes)
    expect(outcome).toMatchObject({
      partition: 3,
      failure: { kind: 'executor-lost', message: expect.stringMatching(/slot 0 of e was lost/) },
    });
});

it('replaces a process that had worked at once, by one that loads what it had needed', async () => {
  const first = slot.run(message('a'));
  started[0]!.answer(['mlp/load-shard', 'rdd/stage-program']);
  await first;
  const second = slot.run(message('b'));
  started[0]!.answer(['mlp/train-program']);
  await second;
  const third = slot.run(message('c'));
  started[0]!.die();
  expect(await third).toEqual(lost);
  await settled();
  expect(started.map(({ init }) => init.preload)).toEqual([
    ['rdd/stage-program'],
    ['rdd/stage-program', 'mlp/load-shard', 'mlp/train-program'],
  ]);

  const again = slot.run(message('d'));
  expect(started).toHaveLength(2);
  started[1]!.answer();
  expect(await again).toEqual([]);
});

it('starts a process that dies before it has worked again with the next message only', async () => {
  slot.warmUp();
  started[0]!.die();
  await settled();
  expect(started).toHaveLength(1);

  const killing = slot.run(message('a'));
  await settled();
  started[1]!.die();
  expect(await killing).toEqual(lost);
  await settled();
  expect(started).toHaveLength(2);

  const working = slot.run(message('b'));
  await settled();
  started[2]!.answer(['mlp/load-shard']);
  await working;
  // Neither the successor of one that worked; what it loaded in advance may have killed it.
  started[2]!.die();
  await settled();
  const [one, another] = [slot.run(message('c')), slot.run(message('d'))];
  started[3]!.die();
  expect(await one).toEqual(lost);
  await settled();
  expect(started).toHaveLength(5);
  started[4]!.answer();
  expect(await another).toEqual([]);
  const preloads = started.slice(3).map(({ init }) => init.preload);
  expect(preloads).toEqual([['rdd/stage-program', 'mlp/load-shard'], ['rdd/stage-program']]);
});

it('remembers what was needed over a process that it killed before that had answered', async () => {
  const working = slot.run(message('a'));
  started[0]!.answer(['mlp/load-shard']);
  await working;
  started[0]!.die();
  await settled();
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const deaf = slot.run(message('b')); // its process still loads
    slot.cancel(({ id }) => id === 'b');
    vi.advanceTimersByTime(1000);
    expect(await deaf).toEqual(lost);
  } finally {
    vi.useRealTimers();
  }
  await settled();
  void slot.run(message('c'));
  const preload = ['rdd/stage-program', 'mlp/load-shard'];
  expect(started.map(({ init }) => init.preload)).toEqual([['rdd/stage-program'], preload, preload]);
});

it('starts nothing after it was closed', async () => {
  const working = slot.run(message('a'));
  started[0]!.answer();
  await working;
  await slot.close();
  await settled();
  expect(started).toHaveLength(1);
});
