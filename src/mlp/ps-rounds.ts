import { randomBytes } from 'node:crypto';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { ParameterServerInit } from '../ps/parameter-server.js';
import type { ServerAddress } from '../ps/ps-protocol.js';
import { executorOf } from '../scheduler/task-set.js';
import type { Committed } from './committed.js';
import { runWithExchange } from './exchange-rounds.js';
import { layoutOf } from './layout.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';
import type { UpdaterParameters } from './updater.js';

/**
 * A synchronous parameter server in a process of its own. One task a slot covers a whole round: slots push their sums
 * and pull the new weights over sockets, no step passes through the queue.
 */
export class ParameterServerRounds implements Rounds {
  #server: (ServerAddress & { readonly executor: string }) | undefined;
  /** Of the latest server that was asked for: a generation may end before it has one. */
  #scope: string | undefined;

  constructor(readonly cluster: TrainingCluster) {}

  async begin(committed: Committed): Promise<void> {
    const { spec, members, generation, context } = this.cluster;
    const scope = `${spec.model}/server-${generation}`;
    if (this.#scope) context.tasks.release(this.#scope);
    this.#scope = scope;
    const updater: UpdaterParameters = { plan: spec.plan };
    const [part] = committed.parts;
    const init: ParameterServerInit = {
      ...{ generation, step: committed.step, state: part?.block ?? null, members: members.length },
      updater: 'mlp/updater',
      parameters: updater as unknown as Json,
      shards: spec.plan.shards,
      token: randomBytes(16).toString('hex'),
    };
    const executor = executorOf(members[0]!.slot);
    const request = { module: 'ps/parameter-server', scope, parameters: init as unknown as Json };
    const answer = await this.cluster.onHost(executor, 'executor/start-service', request);
    const server = answer as unknown as ServerAddress;
    this.#server = { ...server, executor };
    await this.cluster.all(({ rank, shards }) => {
      const exchange = { kind: 'servers', server, rank } as const;
      return { op: 'join', generation, step: committed.step, shards, exchange };
    });
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult> {
    await runWithExchange(this.cluster, from, steps, onStep);
    return { step: from + steps, pending: [] };
  }

  async commit({ step }: RoundResult): Promise<Committed> {
    const { generation } = this.cluster;
    const { executor, ...server } = this.#server!;
    const { model, plan } = this.cluster.spec;
    const order = { generation, step, server, id: `state:${step}`, scope: `${model}/state-${step}` };
    const block = (await this.cluster.onHost(executor, 'ps/save-state', order)) as unknown as BlockRef;
    const { length } = layoutOf(plan.network);
    return { step, parts: [{ from: 0, to: length, block: await this.cluster.replicate(block) }] };
  }
}
