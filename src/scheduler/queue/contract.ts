import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  Control,
  DriverChannel,
  ExecutorChannel,
  ExecutorInfo,
  Heartbeat,
  TaskQueue,
} from '../../protocol/channel.js';
import type { Json } from '../../protocol/json.js';
import type { ResultMessage, TaskMessage } from '../../protocol/task.js';
import type { Repetition } from '../../protocol/template.js';

/** What the contract suite needs of a queue under test. */
export interface QueueUnderTest {
  /** Another party's view of the same queue, with its own secret. Refusals are told to `warn`. */
  connect(secret: string, warn: (message: string) => void): TaskQueue;
  /** What of the queue is left when everybody has closed: must be empty. */
  left(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

let serial = 0;

export function executorInfo(id = `executor-${++serial}`): ExecutorInfo {
  return { id, host: 'h', hostname: 'h', pid: 1, slots: [], blockUrl: 'http://h:1', fingerprint: 'f' };
}

export function taskMessage(driver: string, executor: string, inputs: Json = null, id = `m-${++serial}`): TaskMessage {
  const parameters = { id: 'p', scope: 's', bytes: 0, crc32: 0, at: [] };
  const task = { job: 'j', stage: 1, stageAttempt: 0, partition: 2, attempt: 0, inputs };
  return { id, driver, executor, slot: 0, program: { module: 'm', parameters }, tasks: [task], sentAt: 5 };
}

export function resultOf(message: TaskMessage, value: Json = null): ResultMessage {
  const metrics = { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };
  const { id, driver, executor, slot, tasks } = message;
  return { id, driver, executor, slot, outcomes: tasks.map((task) => ({ ...task, metrics, ok: true, value })) };
}

/** A driver that records what it hears. */
export class RecordingDriver {
  readonly id = `driver-${++serial}`;
  readonly results: ResultMessage[] = [];
  readonly heartbeats: Heartbeat[] = [];
  readonly gone: { executor: string; reason: string }[] = [];
  readonly channel: DriverChannel;

  constructor(queue: TaskQueue) {
    this.channel = queue.driver(this.id);
  }

  async open(): Promise<this> {
    await this.channel.open({
      result: (message) => this.results.push(message),
      heartbeat: (heartbeat) => this.heartbeats.push(heartbeat),
      gone: (executor, reason) => this.gone.push({ executor, reason }),
    });
    return this;
  }

  values(): Json[] {
    return this.results.flatMap((result) => result.outcomes.map((o) => (o.ok ? o.value : o.failure.kind)));
  }
}

/** An executor that answers every message with its inputs once `gate` lets it. */
export class RecordingExecutor {
  readonly info = executorInfo();
  readonly id = this.info.id;
  readonly messages: TaskMessage[] = [];
  readonly repetitions: Repetition[] = [];
  readonly controls: Control[] = [];
  readonly gone: string[] = [];
  readonly channel: ExecutorChannel;
  gate: Promise<void> = Promise.resolve();
  openNow = 0;
  mostOpen = 0;

  constructor(queue: TaskQueue) {
    this.channel = queue.executor();
  }

  async open(seats = 2): Promise<this> {
    await this.channel.open(this.info, seats, {
      message: async (message) => {
        if (!('driver' in message)) return void this.repetitions.push(message);
        this.mostOpen = Math.max(this.mostOpen, ++this.openNow);
        this.messages.push(message);
        await this.gate;
        await this.channel.report(resultOf(message, message.tasks[0]!.inputs));
        this.openNow--;
      },
      control: (control) => this.controls.push(control),
      driverGone: (driver) => this.gone.push(driver),
    });
    await this.beat();
    return this;
  }

  async beat(holding: string[] = []): Promise<void> {
    await this.channel.heartbeat({ executor: this.info, holding, at: 7 });
  }
}

/** Waits for a condition that others bring about; fails after 20 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(2)) if (await condition()) return;
  throw new Error(`waited 20 s in vain: ${what}`);
}

/** The contract of a queue: see `protocol/channel.ts`. */
export function queueContract(name: string, start: () => Promise<QueueUnderTest>): void {
  describe(name, () => {
    const open: { close(): Promise<void> }[] = [];
    let under: QueueUnderTest;
    let warnings: string[];
    const party = async () => {
      under ??= await start();
      warnings ??= [];
      return under.connect('s3cret-ours', (warning) => warnings.push(warning));
    };
    const driver = async (queue?: TaskQueue) => {
      const made = await new RecordingDriver(queue ?? (await party())).open();
      open.push({ close: () => made.channel.close() });
      return made;
    };
    const executor = async (seats?: number, queue?: TaskQueue) => {
      const made = await new RecordingExecutor(queue ?? (await party())).open(seats);
      open.push({ close: () => made.channel.close('test ends') });
      return made;
    };
    afterEach(async () => {
      await Promise.all(open.splice(0).map((each) => each.close()));
      const left = await under.left();
      await under.stop();
      under = undefined as never;
      warnings = undefined as never;
      expect(left).toEqual([]);
    });

    it('carries every message to its executor and every result to its driver, once', async () => {
      const [d1, d2, e1, e2] = [await driver(), await driver(), await executor(), await executor()];
      const sent = [d1, d2].map((d) =>
        [e1, e2].flatMap((e) => [0, 1, 2, 3].map((i) => taskMessage(d.id, e.id, { i }))),
      );
      await Promise.all([d1.channel.send(sent[0]!), d2.channel.send(sent[1]!)]);
      await until('16 results', () => d1.results.length + d2.results.length === 16);
      for (const [k, d] of [d1, d2].entries()) {
        const ids = d.results.map((result) => result.id).sort();
        expect(ids).toEqual(sent[k]!.map((message) => message.id).sort());
      }
      for (const e of [e1, e2]) expect(e.messages.every((message) => message.executor === e.id)).toBe(true);
      expect(d1.results[0]).toEqual(resultOf(sent[0]!.find((m) => m.id === d1.results[0]!.id)!, d1.values()[0]));
    });

    it('carries hundreds at once, in one send', async () => {
      const [d, e] = [await driver(), await executor(4)];
      await d.channel.send(Array.from({ length: 300 }, (_, i) => taskMessage(d.id, e.id, i)));
      await until('300 results', () => d.results.length === 300);
      expect(new Set(d.values()).size).toBe(300);
    });

    it('opens no more messages than there are seats, and takes the next when one is done', async () => {
      const [d, e] = [await driver(), await executor(2)];
      let release = () => {};
      e.gate = new Promise((resolve) => {
        release = resolve;
      });
      await d.channel.send([1, 2, 3, 4, 5].map((i) => taskMessage(d.id, e.id, i)));
      await until('both seats taken', () => e.messages.length === 2);
      await sleep(30);
      expect(e.messages.length).toBe(2);
      release();
      await until('5 results', () => d.results.length === 5);
      expect(e.mostOpen).toBe(2);
      expect(e.messages.map((message) => message.tasks[0]!.inputs)).toEqual([1, 2, 3, 4, 5]);
    });

    it('tells which messages still wait, and not those taken, done or unknown', async () => {
      const [d, e] = [await driver(), await executor(1)];
      let release = () => {};
      e.gate = new Promise((resolve) => {
        release = resolve;
      });
      const [m1, m2, m3] = [1, 2, 3].map((i) => taskMessage(d.id, e.id, i));
      await d.channel.send([m1!, m2!, m3!]);
      await until('one taken', () => e.messages.length === 1);
      const ids = [m1!.id, m2!.id, m3!.id, 'unknown'];
      expect(await d.channel.waiting(e.id, ids)).toEqual(new Set([m2!.id, m3!.id]));
      expect(await d.channel.waiting('nobody', ids)).toEqual(new Set());
      release();
      await until('3 results', () => d.results.length === 3);
      expect(await d.channel.waiting(e.id, ids)).toEqual(new Set());
    });

    it('may be sent the same message again: each delivery is answered', async () => {
      const [d, e] = [await driver(), await executor()];
      const message = taskMessage(d.id, e.id, 'again');
      await d.channel.send([message]);
      await until('a result', () => d.results.length === 1);
      await d.channel.send([message, message]);
      await until('another', () => d.results.length >= 2);
      expect(new Set(d.values())).toEqual(new Set(['again']));
    });

    it('carries JSON and nothing else', async () => {
      const [d, e] = [await driver(), await executor()];
      const text = 'ü "quoted" \n \u0000 \u2028 𝄞';
      const value = { text, deep: [[{ a: null, b: -0.1, c: 1e300 }]], missing: undefined } as Json;
      await d.channel.send([taskMessage(d.id, e.id, value)]);
      await until('the result', () => d.results.length === 1);
      expect(e.messages[0]!.tasks[0]!.inputs).toStrictEqual(JSON.parse(JSON.stringify(value)));
      expect(d.values()[0]).toStrictEqual(JSON.parse(JSON.stringify(value)));
    });

    it('refuses a message that is too large, naming it, and sends none of the batch', async () => {
      const [d, e] = [await driver(), await executor()];
      const large = taskMessage(d.id, e.id, 'x'.repeat(1 << 20), 'the-large-one');
      await expect(d.channel.send([taskMessage(d.id, e.id), large])).rejects.toThrow(/the-large-one.*stage 1.*block/);
      await sleep(20);
      expect(e.messages).toEqual([]);
    });

    it('tells drivers of executors, whoever came first', async () => {
      const early = await driver();
      const e = await executor();
      const late = await driver();
      await until('both heard', () => early.heartbeats.length > 0 && late.heartbeats.length > 0);
      expect(early.heartbeats[0]).toEqual({ executor: e.info, holding: [], at: 7 });
      expect(late.heartbeats[0]!.executor).toEqual(e.info);
      await e.beat(['m-1']);
      await until('holding heard', () => [early, late].every((d) => d.heartbeats.at(-1)!.holding[0] === 'm-1'));
    });

    it('hands controls to their executor only', async () => {
      const [d, e1, e2] = [await driver(), await executor(), await executor()];
      const controls: Control[] = [
        { kind: 'cancel', driver: d.id, messages: ['m'] },
        { kind: 'release', scope: 'a/b' },
        { kind: 'stop', reason: 'enough' },
      ];
      for (const control of controls) await d.channel.control(e1.id, control);
      await until('3 controls', () => e1.controls.length === 3);
      expect(e1.controls).toEqual(controls);
      expect(e2.controls).toEqual([]);
    });

    it('tells drivers that an executor said goodbye, and why; executors that a driver did', async () => {
      const [d1, d2, e1, e2] = [await driver(), await driver(), await executor(), await executor()];
      await until('known', () => d1.heartbeats.length >= 2 && d2.heartbeats.length >= 2);
      await e1.channel.close('its host goes down');
      await until('gone', () => d1.gone.length === 1 && d2.gone.length === 1);
      expect(d1.gone).toEqual([{ executor: e1.id, reason: 'its host goes down' }]);
      await d1.channel.close();
      await until('driver gone', () => e2.gone.length === 1);
      expect(e2.gone).toEqual([d1.id]);
      expect(e1.gone).toEqual([]);
    });

    it('drops what a driver left behind, and what an executor never took', async () => {
      const [d, e] = [await driver(), await executor(1)];
      let release = () => {};
      e.gate = new Promise((resolve) => {
        release = resolve;
      });
      await d.channel.send([1, 2, 3].map((i) => taskMessage(d.id, e.id, i)));
      await until('one taken', () => e.messages.length === 1);
      await d.channel.close();
      await until('driver gone', () => e.gone.length === 1);
      release();
      await until('seat free', () => e.openNow === 0);
      await sleep(20);
      expect(e.messages.length).toBe(1);
      const d2 = await driver();
      await e.channel.close('done');
      await d2.channel.send([taskMessage(d2.id, e.id)]);
      expect(await d2.channel.waiting(e.id, [])).toEqual(new Set());
    });

    it('carries no more of a message whose template is installed than what is new', async () => {
      // One seat: with more, the order in which messages are handled is anybody's.
      const [d, e] = [await driver(), await executor(1)];
      const scope = `${d.id}/fit-0/g1`;
      const message = (n: number, installed: boolean) => ({
        ...taskMessage(d.id, e.id, ['kept', n], `${d.id}-m${n}`),
        template: { scope, installed },
      });
      await d.channel.send([message(1, false)]);
      await until('the whole one', () => e.messages.length === 1);
      await d.channel.send([message(2, true), message(3, true)]);
      await until('repetitions', () => e.repetitions.length === 2);
      expect(e.messages).toEqual([message(1, false)]);
      const repetition = (n: number) => ({ id: `${d.id}-m${n}`, template: 'fit-0/g1', inputs: n });
      expect(e.repetitions).toEqual([repetition(2), repetition(3)]);
    });

    it('refuses whatever was signed with another secret, and says what to do', async () => {
      const [d, e] = [await driver(), await executor()];
      const refused: string[] = [];
      const strangers = under.connect('s3cret-theirs', (warning) => refused.push(warning));
      const [foreignDriver, foreignExecutor] = [await driver(strangers), await executor(2, strangers)];
      await foreignDriver.channel.send([taskMessage(foreignDriver.id, e.id)]);
      await foreignDriver.channel.control(e.id, { kind: 'stop', reason: 'sabotage' });
      await d.channel.send([taskMessage(d.id, foreignExecutor.id)]);
      await until('all refused', () => warnings.length >= 3 && refused.length >= 2);
      await d.channel.send([taskMessage(d.id, e.id, 'ours')]);
      await until('ours answered', () => d.results.length === 1);
      expect(e.messages.length).toBe(1);
      expect(e.controls).toEqual([]);
      expect(foreignExecutor.messages).toEqual([]);
      expect(d.heartbeats.every((heartbeat) => heartbeat.executor.id === e.id)).toBe(true);
      expect(warnings.join()).toMatch(/SHEAF_SECRET/);
      expect(warnings.join()).not.toMatch(/s3cret/);
    });
  });
}
