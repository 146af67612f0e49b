import type { Json } from '../protocol/json.js';
import type { ProgramRef } from '../protocol/task.js';
import { addTotals, totalOf } from '../ps/exchange.js';
import { type PlacedNode, planTree, sameNode, vectorsBetween } from '../ps/merge-plan.js';
import { type ShortRef, sumBytes } from '../ps/sum-blocks.js';
import { reduceNodes } from '../ps/tree.js';
import { executorOf, type SlotKey, slotKey, slotOf } from '../scheduler/task-set.js';
import type { Committed } from './committed.js';
import { layoutOf } from './layout.js';
import type { Told } from './learners/learner.js';
import { addCosts, type RoundCost, type RoundResult, type Rounds, type StepLoss } from './rounds.js';
import type { Member, TrainingCluster } from './training-cluster.js';
import { type StepAnswer, type StepInputs, sum, type ToldSum, type TreeHomes, type TreeTemplate } from './tree-step.js';

const STEP = 'mlp/tree-step';

/** What a generation has installed. */
interface Installed {
  readonly template: TreeTemplate;
  readonly program: ProgramRef;
  readonly homes: TreeHomes;
  /** Whether every executor has carried out a step, and so keeps the message. */
  kept: boolean;
}

/**
 * Tree aggregation: every step is one small message an executor. What all steps of a generation have in common is installed
 * once, as an execution template: who computes what, who merges it, where it lies. An executor has its slots write the sums of
 * their shards' gradients as blocks and merge them along the canonical tree as far as its shards reach; what is left travels
 * between executors once each, and every slot adds it up and applies it when the next step comes. Where more is left than all
 * should read, the executors that merge it get a second message. The driver sees checksums and losses, never a vector.
 */
export class TreeRounds implements Rounds {
  /** Sums that the replicas have not applied yet, in the plan's order. */
  #pending: readonly ShortRef[] = [];
  #installed!: Installed;

  constructor(readonly cluster: TrainingCluster) {}

  async begin(): Promise<void> {
    const { cluster } = this;
    const { spec, generation } = cluster;
    this.#pending = [];
    const executors = byExecutor(cluster.members);
    const template: TreeTemplate = {
      ...{ generation, executors, program: await cluster.program() },
      plan: planTree(
        executors.map(({ members }) => members.map(({ shards }) => shards)),
        spec.plan.shards,
      ),
      bytes: sumBytes(layoutOf(spec.plan.network).length),
    };
    const content = Buffer.from(JSON.stringify(template));
    // Its id is its own: by it executors know what they have prepared, and one that hung may still have an older one.
    const id = `template:${this.#scope}`;
    const parameters = await cluster.context.blocks.put(id, this.#scope, content, { code: true });
    const copies = executors.map(({ id }) => cluster.onHost(id, 'executor/replicate', parameters as unknown as Json));
    const homes = (await Promise.all(copies)) as unknown as TreeHomes;
    this.#installed = { template, homes, program: { module: STEP, parameters }, kept: false };
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult> {
    let cost: RoundCost = { bytes: 0, computeMs: 0, exchangeMs: 0 };
    const bytes = this.#bytes;
    const computeMs = new Map<SlotKey, number>();
    let rows = 0;
    const begun = performance.now();
    let untold: { readonly step: number; readonly loss: StepLoss } | undefined;
    for (let step = from; step < from + steps; step++) {
      const answers = await this.#order([step, this.#pending]);
      if (untold) onStep(untold.step, { ...untold.loss, ...answers[0]!.told });
      const loss = this.#totalLoss(answers);
      untold = this.#answers ? { step, loss } : undefined;
      if (!untold) onStep(step, loss);
      rows += loss.rows;
      this.#addTimes(computeMs, answers);
      cost = answers.reduce(withTimes, { ...cost, bytes: cost.bytes + bytes });
      this.#pending = await this.#between(
        answers.flatMap(({ sums }) => sums),
        step,
      );
    }
    if (untold) onStep(untold.step, { ...untold.loss, ...(await this.#apply(from + steps)) });
    this.cluster.balancer.ran({ ms: performance.now() - begun, steps, rows, computeMs });
    return { step: from + steps, cost };
  }

  async commit(step: number): Promise<Committed> {
    if (this.#pending.length > 0) await this.#apply(step);
    return this.cluster.commit(step, this.cluster.members.slice(0, 1));
  }

  get #scope(): string {
    const { spec, generation } = this.cluster;
    return `${spec.model}/g${generation}`;
  }

  /** Payload of one step. */
  get #bytes(): number {
    const { plan, executors } = this.#installed.template;
    return 4 * layoutOf(this.cluster.spec.plan.network).length * vectorsBetween(plan, executors.length);
  }

  /** Whether the driver has to know what comes of a step: executors tell it with the next one, or with a message at a round's end. */
  get #answers(): boolean {
    const { measure = false, plan } = this.cluster.spec;
    return measure || plan.update.optimizer.kind === 'l-bfgs';
  }

  /** @returns an answer an executor */
  async #order(inputs: StepInputs, executors = this.#installed.template.executors): Promise<StepAnswer[]> {
    const { program, homes, kept } = this.#installed;
    const template = { scope: this.#scope, installed: kept };
    const ids = executors.map(({ id }) => id);
    const answers = await this.cluster.onHosts(ids, program, [homes, inputs] as unknown as Json, template);
    this.#installed.kept = true;
    return answers as unknown as StepAnswer[];
  }

  /** On gradients, of each slot. */
  #addTimes(to: Map<SlotKey, number>, answers: readonly StepAnswer[]): void {
    this.#installed.template.executors.forEach(({ id, members }, place) => {
      members.forEach(({ slot }, k) => {
        const key = slotKey(id, slot);
        to.set(key, (to.get(key) ?? 0) + answers[place]!.computeMs[k]!);
      });
    });
  }

  /** @param step updates made with it */
  async #apply(step: number): Promise<Told | undefined> {
    const answers = await this.#order([step, this.#pending, 'apply']);
    this.#pending = [];
    return answers[0]!.told;
  }

  /** Merges what executors have given, where it is much. @returns what is to be applied */
  async #between(given: readonly ToldSum[], step: number): Promise<ShortRef[]> {
    const { executors, plan } = this.#installed.template;
    const inOrder = (nodes: readonly PlacedNode[], sums: readonly ToldSum[]) =>
      nodes.map((node) => sums.find((sum) => sameNode(sum, node))!.ref);
    if (plan.between.length === 0) return inOrder(plan.applied, given);
    const merging = executors.filter((_, place) => plan.between.some(({ executor }) => executor === place));
    const answers = await this.#order([step, inOrder(plan.given, given), 'merge'], merging);
    return inOrder(plan.applied, [...given, ...answers.flatMap(({ sums }) => sums)]);
  }

  /** Added along the canonical tree too: the same for every number of members. */
  #totalLoss(answers: readonly StepAnswer[]): StepLoss {
    const nodes = answers.flatMap(({ sums }) =>
      sums.map(({ level, index, lossSum, ...rest }) => {
        return { level, index, value: totalOf({ ...rest, lossSum: lossSum ?? Number.NaN }) };
      }),
    );
    const total = reduceNodes(nodes, this.cluster.spec.plan.shards, addTotals)!;
    const parts = answers.flatMap(({ bad }) => bad.map((node) => ({ ...node, lossSum: Number.NaN })));
    return { ...total, parts };
  }
}

function withTimes(cost: RoundCost, { computeMs, exchangeMs }: StepAnswer): RoundCost {
  return addCosts(cost, { bytes: 0, computeMs: sum(computeMs), exchangeMs });
}

/** Members stand together by executor: ranks are ordered by host. */
function byExecutor(members: readonly Member[]): TreeTemplate['executors'] {
  const executors = new Map<string, { slot: number; shards: readonly number[] }[]>();
  for (const { slot, shards } of members) {
    const id = executorOf(slot);
    executors.set(id, [...(executors.get(id) ?? []), { slot: slotOf(slot), shards }]);
  }
  return [...executors].map(([id, own]) => ({ id, members: own }));
}
