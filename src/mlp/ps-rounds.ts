import { randomBytes } from 'node:crypto';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { ParameterServerInit, ServerAnswer } from '../ps/parameter-server.js';
import type { StepTotal } from '../ps/ps-client.js';
import type { ServerAddress } from '../ps/ps-protocol.js';
import { executorOf } from '../scheduler/task-set.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import type { Committed, TrainingCluster } from './training-cluster.js';
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
    const updater: UpdaterParameters = { plan: spec.plan, backend: spec.backend };
    const init: ParameterServerInit = {
      ...{ generation, step: committed.step, state: committed.block, members: members.length },
      updater: 'mlp/updater',
      parameters: updater as unknown as Json,
      shards: spec.plan.shards,
      token: randomBytes(16).toString('hex'),
    };
    const executor = executorOf(members[0]!.slot);
    const request = { module: 'ps/parameter-server', scope, parameters: init as unknown as Json };
    const answer = await this.cluster.onHost(executor, 'executor/start-service', request);
    const { fingerprint, ...address } = answer as unknown as ServerAnswer;
    this.cluster.noteBuild(fingerprint, `parameter server on ${executor}`);
    this.#server = { ...address, executor };
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult> {
    const { generation } = this.cluster;
    const server = this.#server!;
    const answers = await this.cluster.all(({ rank, shards }) => ({
      ...{ op: 'round', generation, step: from, steps, rank, shards },
      server,
    }));
    const members = answers.map(({ value }) => value as unknown as StepTotal[]);
    for (const [k, { rows, lossSum }] of members[0]!.entries()) {
      const bad = members.flatMap((totals) => totals[k]!.bad ?? []);
      const parts = bad.map((node) => ({ ...node, lossSum: Number.NaN }));
      onStep(from + k, { rows, lossSum: lossSum ?? Number.NaN, parts });
    }
    return { step: from + steps, pending: [] };
  }

  async commit({ step }: RoundResult): Promise<Committed> {
    const { generation } = this.cluster;
    const { executor, ...server } = this.#server!;
    const { model } = this.cluster.spec;
    const order = { generation, step, server, id: `state:${step}`, scope: `${model}/state-${step}` };
    const block = (await this.cluster.onHost(executor, 'ps/save-state', order)) as unknown as BlockRef;
    return { step, block: await this.cluster.replicate(block) };
  }
}
