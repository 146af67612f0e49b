import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram, TaskContext } from '../protocol/program.js';
import type { ProgramRef, Task, TaskMetrics } from '../protocol/task.js';
import { together } from '../protocol/together.js';
import { type Merge, type PlacedNode, sameNode, type TreePlan } from '../ps/merge-plan.js';
import { type ShortRef, type SumBlock, shortRef, wholeRef } from '../ps/sum-blocks.js';
import type { Spread, TreeNode } from '../ps/tree.js';
import type { Told } from './learners/learner.js';
import type { GradientAnswer, TrainOrder } from './train-program.js';

/** What the steps of one generation have in common: a block, which every executor reads once. */
export interface TreeTemplate {
  readonly generation: number;
  /** What slots run: the training program. */
  readonly program: ProgramRef;
  readonly executors: readonly {
    readonly id: string;
    readonly members: readonly { readonly slot: number; readonly shards: readonly number[] }[];
  }[];
  readonly plan: TreePlan;
  /** Of the block of one sum. */
  readonly bytes: number;
}

/** A block of each executor's in the generation's scope: what is installed with the template. */
export type TreeHomes = readonly BlockRef[];

/**
 * All that a step sends to an executor: updates made so far, and the sums to be applied first, in the plan's order. Without
 * another order: compute the next gradients. `apply`: no more than that; `merge`: merge the sums that were given.
 */
export type StepInputs = readonly [step: number, sums: readonly ShortRef[], order?: 'apply' | 'merge'];

/** A node's sum, as an executor tells the driver of it: of `given` in the plan's order, or what a merge came to. */
export interface ToldSum extends TreeNode {
  readonly ref: ShortRef;
  readonly rows: number;
  readonly weight: number;
  /** JSON has no NaN: null is one. */
  readonly lossSum: number | null;
  readonly spread?: Spread;
}

export interface StepAnswer {
  readonly sums: readonly ToldSum[];
  /** Slots' sums whose loss is no number. */
  readonly bad: readonly TreeNode[];
  /** On gradients, of each slot. */
  readonly computeMs: readonly number[];
  /** Merging, updating and waiting, of all slots. */
  readonly exchangeMs: number;
  /** What came of the sums applied. */
  readonly told?: Told;
}

/**
 * Host-seat program: one step of tree aggregation in one executor. It divides the step among the slots, has them merge what
 * they have, and fetches the sums of other executors once for all of them. It computes nothing itself, and sees no vector.
 *
 * Failure model: a slot that is lost, or a sum that cannot be read, is the failure of the step; the others' parts have ended
 * then. The driver begins a new generation, with a template of its own.
 */
const treeStep: SlotProgram = {
  async prepare(parameters) {
    const template = JSON.parse(parameters.toString()) as TreeTemplate;
    return {
      async run(task, context) {
        const [homes, inputs] = task.inputs as unknown as readonly [TreeHomes, StepInputs];
        const step = new ExecutorStep(template, homes, task, context);
        return (await step.run(inputs)) as unknown as Json;
      },
    };
  },
};
export default treeStep;

class ExecutorStep {
  /** Place of this executor. */
  readonly #own: number;

  constructor(
    readonly template: TreeTemplate,
    readonly homes: TreeHomes,
    readonly task: Task,
    readonly context: TaskContext,
  ) {
    this.#own = template.executors.findIndex(({ id }) => id === context.executor);
  }

  async run([step, sums, order]: StepInputs): Promise<StepAnswer> {
    const begun = performance.now();
    const { given, applied } = this.template.plan;
    if (order === 'merge') {
      const merged = await this.#merge(this.template.plan.between, this.#refs(given, sums, step), step);
      return { sums: this.#tell(merged, step), bad: [], ...this.#cost(begun) };
    }
    const pending = sums.length > 0 ? this.#refs(applied, sums, step - 1) : [];
    return this.#withNear(pending, async (apply) => {
      if (order === 'apply') {
        const [told] = await this.#slots(() => ({ op: 'apply', apply }), step);
        return { sums: [], bad: [], ...this.#cost(begun), told: told as unknown as Told };
      }
      const answers = (await this.#slots(
        ({ shards }) => ({ op: 'gradient', shards, apply }),
        step,
      )) as unknown as GradientAnswer[];
      const own = answers.flatMap((answer) => answer.sums);
      const refs = own.map(({ level, index, block }) => ({ node: { level, index, executor: this.#own }, block }));
      const merged = await this.#merge(this.template.plan.within, refs, step);
      const here = given.filter(({ executor }) => executor === this.#own);
      const giving = here.map((node) => [...own, ...merged].find((sum) => sameNode(sum, node))!);
      const bad = own.filter(({ lossSum }) => lossSum === null).map(({ level, index }) => ({ level, index }));
      const computeMs = answers.map((answer) => answer.computeMs);
      return { sums: this.#tell(giving, step), bad, ...this.#cost(begun, computeMs), told: answers[0]!.told };
    });
  }

  get #members() {
    return this.template.executors[this.#own]!.members;
  }

  #refs(nodes: readonly PlacedNode[], sums: readonly ShortRef[], step: number): readonly Lying[] {
    return nodes.map((node, k) => ({ node, block: wholeRef(sums[k]!, this.#expected(node, node.executor, step)) }));
  }

  #tell(sums: readonly SumBlock[], step: number): ToldSum[] {
    return sums.map(({ block, ...sum }) => ({ ...sum, ref: shortRef(block, this.#expected(sum, this.#own, step)) }));
  }

  #expected(node: TreeNode, executor: number, step: number) {
    return { step, node, bytes: this.template.bytes, home: this.homes[executor]! };
  }

  /** Carries out this executor's part of merges, each in its slot. */
  async #merge(merges: readonly Merge[], sums: readonly Lying[], step: number): Promise<SumBlock[]> {
    const mine = merges.filter(({ executor }) => executor === this.#own);
    const parts = mine.map(({ member, nodes }) => {
      const lying = nodes.map((node) => sums.find((sum) => sameNode(sum.node, node))!);
      return this.#slot(this.#members[member]!.slot, { op: 'merge', sums: lying.map(({ block }) => block) }, step);
    });
    return (await together(parts)).flatMap((value) => value as unknown as SumBlock[]);
  }

  /** Makes the sums of other hosts files of this one, for all its slots; a single slot reads them itself. */
  async #withNear<T>(sums: readonly Lying[], use: (near: readonly BlockRef[]) => Promise<T>): Promise<T> {
    const { blocks, executor } = this.context;
    const copies: BlockRef[] = [];
    try {
      const near = sums.map(async ({ node, block }) => {
        if (node.executor === this.#own || this.#members.length === 1) return block;
        const copy = await blocks.copy(block, 'host');
        if (copy.at[0]!.holder === executor) copies.push(copy);
        return copy;
      });
      return await use(await together(near));
    } finally {
      for (const copy of copies) blocks.drop(copy);
    }
  }

  /** The same of every slot. */
  #slots(order: (member: { readonly shards: readonly number[] }) => PartOrder, step: number): Promise<Json[]> {
    return together(this.#members.map((member) => this.#slot(member.slot, order(member), step)));
  }

  async #slot(slot: number, order: PartOrder, step: number): Promise<Json> {
    const { generation, program } = this.template;
    const inputs = { ...order, generation, step } as unknown as Json;
    const { value, metrics } = await this.context.slots!.run(slot, program, { ...this.task, inputs });
    addMetrics(this.context.metrics, metrics);
    return value;
  }

  #cost(begun: number, computeMs: readonly number[] = this.#members.map(() => 0)) {
    const slotMs = this.#members.length * (performance.now() - begun);
    return { computeMs, exchangeMs: Math.max(0, slotMs - sum(computeMs)) };
  }
}

/** A sum, and where it lies. */
interface Lying {
  readonly node: PlacedNode;
  readonly block: BlockRef;
}

type PartOrder = TrainOrder extends infer O ? (O extends TrainOrder ? Omit<O, 'generation' | 'step'> : never) : never;

export const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

function addMetrics(to: TaskMetrics, { rows, bytesIn, bytesOut }: TaskMetrics): void {
  to.rows += rows;
  to.bytesIn += bytesIn;
  to.bytesOut += bytesOut;
}
