import { afterEach, expect, it } from 'vitest';
import type { BlockRef, Blocks } from '../protocol/block.js';
import type { ServiceContext } from '../protocol/program.js';
import { Link } from '../ps/server/link.js';
import type { ServerAddress } from '../ps/server/messages.js';
import { joinServers, type ServerExchange } from '../ps/server/server-exchange.js';
import { alignCuts } from '../ps/sharding/placement.js';
import { placeShards } from '../ps/sharding/strategies.js';
import { CHUNK } from '../ps/slices.js';
import type { Committed, CommittedPart } from './committed.js';
import { initialTheta } from './layout.js';
import { numericalPlan } from './numerical-plan.js';
import service, { type ServerParameters } from './ps-service.js';
import { rangeOptimizer } from './updater.js';

const network = {
  inputs: 90,
  hidden: [{ units: 100, activation: 'relu' }],
  outputs: 3,
  loss: 'softmax-cross-entropy',
} as const;
const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
const plan = numericalPlan({ rows: 64, batchSize: 16, epochs: 2, seed: 3, network, optimizer, shards: 1 });
const LENGTH = 90 * 100 + 100 + 303;

/** Blocks in memory. */
class MemoryBlocks {
  readonly #kept = new Map<string, Buffer>();

  async put(id: string, scope: string, content: Uint8Array | Iterable<Uint8Array>): Promise<BlockRef> {
    const bytes = Buffer.concat(content instanceof Uint8Array ? [content] : [...content]);
    this.#kept.set(`${scope}/${id}`, bytes);
    return { id, scope, bytes: bytes.length, crc32: 0, at: [] };
  }

  /** At an offset of its own, as blocks come. */
  async get({ scope, id }: BlockRef): Promise<Buffer> {
    const bytes = this.#kept.get(`${scope}/${id}`)!;
    return Buffer.from(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }
}

const blocks = new MemoryBlocks() as unknown as Blocks;
const exchanges: ServerExchange[] = [];
afterEach(async () => {
  await Promise.all(exchanges.splice(0).map((exchange) => exchange.close()));
});

async function start(processes: number, committed: Committed) {
  const layers = [
    { from: 0, to: 9100 },
    { from: 9100, to: LENGTH },
  ];
  const placement = alignCuts(placeShards('even', layers, processes), CHUNK);
  const servers: ServerAddress[] = [];
  for (let process = 0; process < processes; process++) {
    const init = {
      ...{ process, processes, placement, generation: 1, members: 1, leaves: 1, replicas: 1, token: 't' },
      ...{ consistency: 'sync' as const, stepsPerEpoch: plan.stepsPerEpoch },
    };
    const text: ServerParameters = { init, plan, committed };
    const parameters = await blocks.put(`server:${process}`, `s${processes}`, Buffer.from(JSON.stringify(text)));
    const context = { blocks, bind: '127.0.0.1', hostname: '127.0.0.1' } as ServiceContext;
    servers.push((await service.start({ parameters } as never, context)) as unknown as ServerAddress);
  }
  const order = { generation: 1, member: 0, share: 1, shards: 1, placement, servers, replicas: 1 };
  const exchange = await joinServers(order, new AbortController().signal);
  exchanges.push(exchange);
  const save = async (step: number): Promise<Committed> => {
    const answers = await Promise.all(
      servers.map(async (server) => {
        const link = await Link.open(server);
        const answer = await link.ask({ kind: 'save', token: 't', scope: `state-${step}`, step });
        link.close();
        return answer.kind === 'saved' ? (answer.parts as CommittedPart[]) : [];
      }),
    );
    return { step, parts: answers.flat() };
  };
  return { exchange, save };
}

it('keeps the weights of a network, and goes on from what other servers wrote down', async () => {
  const theta = initialTheta(plan.network, plan.seed, plan.initializer);
  const expected = theta.slice();
  const whole = rangeOptimizer(plan);
  const gradient = (step: number) => expected.map((value, i) => value * 0.1 + Math.sin(i * (step + 1)));
  let committed: Committed = { step: 0, parts: [] };
  for (const processes of [2, 3, 1]) {
    const { exchange, save } = await start(processes, committed);
    for (let step = committed.step; step < committed.step + 3; step++) {
      const value = { gradient: gradient(step), rows: 16, weight: 16, lossSum: 1 };
      const sum = value.gradient.slice();
      expect(await exchange.step(step, [{ level: 0, index: 0, value }], theta)).toMatchObject({ rows: 16, lossSum: 1 });
      whole.update(expected, sum, 16, step + 1);
    }
    expect(Buffer.from(theta.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    committed = await save(committed.step + 3);
    expect(committed.parts).toHaveLength(processes);
    expect(committed.parts.map(({ block }) => block.bytes)).toEqual(
      committed.parts.map(({ from, to }) => (to - from) * 4 * 3),
    );
  }
});
