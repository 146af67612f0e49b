import { connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { numericalPlan } from '../mlp/numerical-plan.js';
import type { ServerParameters } from '../mlp/ps-service.js';
import type { ExecutorChannel } from '../protocol/channel.js';
import type { Json } from '../protocol/json.js';
import { HOST_SEAT, type ResultMessage, type TaskMessage } from '../protocol/task.js';
import type { RangeServerInit } from '../ps/server/range-server.js';
import { Executor } from './executor.js';

type Handlers = Parameters<ExecutorChannel['open']>[2];

class Channel implements ExecutorChannel {
  handlers!: Handlers;
  readonly reported: ResultMessage[] = [];
  refuse: Error | undefined;

  async open(...[, , handlers]: Parameters<ExecutorChannel['open']>): Promise<void> {
    this.handlers = handlers;
  }

  async report(result: ResultMessage): Promise<void> {
    const { refuse } = this;
    this.refuse = undefined;
    if (refuse) throw refuse;
    this.reported.push(result);
  }

  async heartbeat(): Promise<void> {}
  async close(): Promise<void> {}
}

let executor: Executor;
afterEach(() => executor.stop('the test ended'));

/** An executor without slots: what it runs, it runs in this process. */
async function start() {
  const channel = new Channel();
  executor = await Executor.start({
    ...{ id: 'e', slots: [], secret: 's', fingerprint: '', heartbeatMs: 60_000, slotEnvironment: () => ({}) },
    ...{ channel, bind: '127.0.0.1', advertise: 'worker.invalid' },
  });
  return channel;
}

async function message(id: string, module: string, inputs: Json): Promise<TaskMessage> {
  const parameters = await executor.blocks.put(`host:${id}`, 'app', new Uint8Array(1));
  const task = { job: 'j', stage: 0, stageAttempt: 0, partition: 0, attempt: 0, inputs };
  return {
    ...{ id, driver: 'app', executor: 'e', slot: HOST_SEAT, sentAt: 0 },
    ...{ program: { module, parameters }, tasks: [task] },
  };
}

const server = { module: 'mlp/ps-service', scope: 'app/fit/server-0' };
const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;

/** One parameter server over all of a network. */
async function parameters(): Promise<Json> {
  const plan = numericalPlan({ rows: 1, batchSize: 1, epochs: 1, seed: 1, network, optimizer });
  const init: RangeServerInit = {
    ...{ process: 0, processes: 1, placement: [{ from: 0, to: 6, server: 0 }], replicas: 0 },
    ...{ generation: 0, members: 1, leaves: 1, consistency: 'sync', token: 't' },
  };
  const text: ServerParameters = { init, plan, committed: { step: 0, parts: [] } };
  return { parameters: await executor.blocks.put('server', 'app', Buffer.from(JSON.stringify(text))) } as never;
}

const outcome = (channel: Channel) => channel.reported.at(-1)!.outcomes[0]!;

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}

it('lets services listen where it is bound and answer with the advertised name', async () => {
  const channel = await start();
  expect(executor.info.blockUrl).toMatch(/^http:\/\/worker\.invalid:\d+$/);
  const request = { ...server, parameters: await parameters() };
  await channel.handlers.message(await message('m', 'executor/start-service', request));
  const answer = outcome(channel);
  if (!answer.ok) throw new Error(answer.failure.message);
  const { host, port } = answer.value as { host: string; port: number };
  expect(host).toBe('worker.invalid');
  expect(await reachable(port)).toBe(true);
  channel.handlers.control({ kind: 'release', scope: 'app/fit' });
  await vi.waitUntil(async () => !(await reachable(port)), 10_000);
});

it('tells why a service could not start, which is no loss of anything', async () => {
  const channel = await start();
  const block = await executor.blocks.put('server', 'app', Buffer.from('{ "init": 1, '));
  const request = { ...server, parameters: { parameters: block } as never };
  await channel.handlers.message(await message('m', 'executor/start-service', request));
  expect(outcome(channel)).toMatchObject({
    ok: false,
    failure: { kind: 'user-error', name: 'SyntaxError', stack: expect.stringMatching(/ps-service/) },
  });
});

it('ends a service that was started after its scope was released, with the message that started it', async () => {
  const channel = await start();
  const request = { ...server, parameters: await parameters() };
  const running = channel.handlers.message(await message('m', 'executor/start-service', request));
  channel.handlers.control({ kind: 'release', scope: 'app/fit' });
  await running;
  const { port } = (outcome(channel) as unknown as { value: { port: number } }).value;
  await vi.waitUntil(async () => !(await reachable(port)), 10_000);
});

it('answers what is too large with a failure of the task, and leaves what could not be sent to be asked for again', async () => {
  const channel = await start();
  const block = await executor.blocks.put('b', 'app', Uint8Array.of(1));
  const copy = (id: string) => message(id, 'executor/replicate', block as unknown as Json);
  channel.refuse = new RangeError('8 MB of JSON');
  await channel.handlers.message(await copy('large'));
  expect(outcome(channel)).toMatchObject({ ok: false, failure: { kind: 'user-error', message: '8 MB of JSON' } });

  const sent = await copy('cut off');
  channel.refuse = new Error('the connection was closed');
  await expect(channel.handlers.message(sent)).rejects.toThrow('closed');
  await channel.handlers.message(sent);
  expect(outcome(channel)).toMatchObject({ ok: true });
});
