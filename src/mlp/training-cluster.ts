import { encodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import { HOST_SEAT, type MessageTemplate, type ProgramRef } from '../protocol/task.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import { inherited } from '../ps/wire/residuals.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { type DevicePreference, deviceAmong, type SlotDevice } from '../scheduler/slot-device.js';
import { executorOf, type SlotKey, slotKey, type TaskResult } from '../scheduler/task-set.js';
import { warnOfShortcomings } from './backend-warning.js';
import { type Builds, buildsOf, changeOfBuilds } from './builds.js';
import type { Committed, CommittedPart, CommittedWorker } from './committed.js';
import { LoadBalancer } from './load-balancer.js';
import type { MeetingPoint } from './membership.js';
import type { PaceState } from './pace.js';
import type { Rounds } from './rounds.js';
import { inputFingerprint } from './shard-checksum.js';
import type { RestoreAnswer, TrainOrder } from './train-program.js';
import type { TrainingSpec } from './training-spec.js';

/** One slot that takes part, with the shards it owns. */
export interface Member {
  readonly rank: number;
  readonly slot: SlotKey;
  readonly shards: readonly number[];
  /** Of theta: what it updates, where members share that work. */
  readonly range?: Range;
  readonly host: string;
  /** Where other members find it, when they exchange among themselves. */
  readonly meeting?: MeetingPoint;
}

/**
 * The driver's hold on the slots that train one model: which slot owns which shards, how orders reach them, where states
 * are kept. The strategies (tree, parameter server) are written in terms of it.
 */
export class TrainingCluster {
  members: readonly Member[] = [];
  generation = -1;
  /** What `builds` says, for people. */
  backend = '';
  /** Fingerprint of the training rows in the order of their shards. */
  input = '';
  /** What this generation computes with; before the first, what computed the state that it goes on from. */
  builds: Builds = [];
  /** Who computes which shards. */
  readonly balancer: LoadBalancer;
  #program: ProgramRef | undefined;
  #stages = 0;
  /** Kind of slots that train. */
  #device: SlotDevice | undefined;

  constructor(
    readonly context: SheafContext,
    readonly spec: TrainingSpec,
    /** The training rows, dealt into the plan's shards. */
    readonly shards: ArrowRDD,
  ) {
    this.balancer = new LoadBalancer(spec.plan);
  }

  /**
   * Begins a generation on the slots there are now: loads the shards, restores the state.
   * @param pace where the training stands; absent: where the plan says
   * @param rangesOf what each member updates; absent: all of theta
   * @returns milliseconds that shards were loaded for
   */
  async form(committed: Committed, pace: PaceState | undefined, rangesOf?: Rounds['ranges']): Promise<number> {
    const { context, spec } = this;
    this.generation++;
    context.tasks.release(`${spec.model}/g${this.generation - 1}`);
    const deal = this.balancer.deal(await this.#slots());
    const owned = deal.map(({ range: { from, to } }) => Array.from({ length: to - from }, (_, k) => from + k));
    const hosts = deal.map(({ slot }) => this.#hostOf(slot));
    const theta = rangesOf?.(owned, hosts);
    const members: Member[] = owned.map((shards, rank) => ({
      ...{ rank, slot: deal[rank]!.slot, shards, host: hosts[rank]! },
      ...(theta ? { range: theta[rank]! } : {}),
    }));
    this.members = members;
    const owner = new Map(members.flatMap(({ slot, shards }) => shards.map((shard) => [shard, slot] as const)));
    const { clock } = context.bus;
    const begun = clock.now();
    const checksums = await context.runJob(
      {
        top: this.shards.node,
        terminal: { kind: 'module', module: 'mlp/load-shard', parameters: spec as unknown as Json },
        name: 'load training shards',
        scope: `${spec.model}/data`,
        prefer: (shard) => owner.get(shard),
        gang: true,
      },
      async (checksum) => checksum,
    );
    const loadMs = clock.now() - begun;
    const { generation } = this;
    const input = inputFingerprint(checksums as number[]);
    if (this.input && input !== this.input) this.#warnOfOtherRows();
    this.input = input;
    const { step } = committed;
    const { residuals = [] } = committed;
    const answers = await this.all(({ rank, shards, range }) => ({
      ...{ op: 'restore', generation, step, committed, pace, shards, range, meet: theta !== undefined },
      owed: inherited(residuals, members.length, rank),
    }));
    this.members = members.map((member, rank) => {
      const { meeting } = answers[rank]!.value as unknown as RestoreAnswer;
      return { ...member, meeting: meeting ?? undefined };
    });
    this.#noteBackends(answers, step);
    return loadMs;
  }

  /** The writers' parts of the state are kept on two executors. */
  async commit(step: number, writers: readonly Member[]): Promise<Committed> {
    return { step, parts: await this.replicateParts(await this.write(step, writers)) };
  }

  /** Each writes its part of the state down, in its own executor. */
  async write(step: number, writers: readonly Member[]): Promise<CommittedPart[]> {
    const { generation } = this;
    const answers = await this.some(writers, () => ({ op: 'commit', generation, step }));
    const parts = answers.flatMap(({ value }) => value as unknown as CommittedPart[]);
    return parts.sort((a, b) => a.from - b.from);
  }

  async replicateParts(parts: readonly CommittedPart[]): Promise<CommittedPart[]> {
    return Promise.all(parts.map(async (part) => ({ ...part, block: await this.replicate(part.block) })));
  }

  /** What gradient shards keep for themselves after so many updates, on two executors. */
  async commitWorkers(step: number): Promise<CommittedWorker[]> {
    const { generation } = this;
    const answers = await this.all(() => ({ op: 'workers', generation, step }));
    const written = answers.flatMap(({ value }) => value as unknown as CommittedWorker[]);
    return Promise.all(written.map(async (each) => ({ ...each, block: await this.replicate(each.block) })));
  }

  /** With what members' sums still owe the weights, where they send sparsely; on two executors. */
  async withResiduals(committed: Committed): Promise<Committed> {
    const { generation } = this;
    const { step } = committed;
    const answers = await this.all(({ rank }) => ({ op: 'residual', generation, step, rank }));
    const written = answers.flatMap(({ value }) => (value === null ? [] : [value as unknown as BlockRef]));
    return { ...committed, residuals: await Promise.all(written.map((block) => this.replicate(block))) };
  }

  /** Those that may train: of one kind, that of the first generation, unless GPUs may be done without. */
  async #slots(): Promise<SlotKey[]> {
    const { tasks, conf } = this.context;
    const fallback = conf.get('sheaf.gpu.fallback') === 'true';
    const wanted = (fallback ? undefined : this.#device) ?? (conf.get('sheaf.train.device') as DevicePreference);
    await tasks.slotsAvailable(1, wanted === 'auto' ? undefined : wanted);
    this.#device = deviceAmong(wanted, tasks.slots());
    return this.#slotsNow();
  }

  /** In the order of ranks: neighbours in the tree on one host, whose sums then merge before they travel. */
  #slotsNow(): SlotKey[] {
    const slots = this.context.tasks.slots().filter(({ device }) => device === this.#device);
    const byHost = (a: SlotKey, b: SlotKey) => this.#hostOf(a).localeCompare(this.#hostOf(b));
    return slots.map(({ key }) => key).sort(byHost);
  }

  #hostOf(slot: SlotKey): string {
    const executor = executorOf(slot);
    return this.context.tasks.executors().find(({ id }) => id === executor)?.host ?? executor;
  }

  /** Whether slots have joined that could take shards over. */
  canGrow(): boolean {
    return Math.min(this.#slotsNow().length, this.spec.plan.shards) > this.members.length;
  }

  /** Between two epochs: whether a generation should be formed in which shards are dealt by measured speed; the log says why. */
  shouldDealAnew(epochsLeft: number): boolean {
    const dealt = this.balancer.dealAnew(this.#slotsNow(), epochsLeft);
    if (!dealt) return false;
    const choice = dealt.deal.map(({ range: { from, to } }) => to - from).join(' + ');
    const { reason } = dealt;
    this.context.bus.emit({ event: 'plan', what: `shards of ${this.spec.model}`, choice, reason });
    return true;
  }

  /** One order to each member, all together; answers in order of rank. @throws TaskSetError when one is lost */
  async all(order: (member: Member) => TrainOrder): Promise<TaskResult[]> {
    return this.some(this.members, order);
  }

  async some(members: readonly Member[], order: (member: Member) => TrainOrder): Promise<TaskResult[]> {
    const program = await this.program();
    const tasks = members.map((member) => ({
      partition: member.rank,
      inputs: order(member) as unknown as Json,
      prefer: member.slot,
    }));
    return this.context.tasks.run({ ...this.#identity('training step'), program, tasks });
  }

  /** What slots run. */
  async program(): Promise<ProgramRef> {
    const { model } = this.spec;
    this.#program ??= {
      module: 'mlp/train-program',
      parameters: await this.context.blocks.put(`program:${model}`, model, encodeValue(this.spec), { code: true }),
    };
    return this.#program;
  }

  #identity(name: string) {
    const job = `${this.spec.model}-g${this.generation}`;
    return { job, stage: this.#stages++, stageAttempt: 0, name, gang: true, quiet: true };
  }

  /** Keeps a state on a second executor where there is one: the loss of either leaves it readable. */
  async replicate(block: BlockRef): Promise<BlockRef> {
    const holders = new Set(block.at.map(({ holder }) => holder));
    const other = this.context.tasks.executors().find(({ id }) => !holders.has(id));
    if (!other) return block;
    const copy = (await this.onHost(other.id, 'executor/replicate', block as unknown as Json)) as unknown as BlockRef;
    return { ...block, at: [...block.at, ...copy.at] };
  }

  /** Runs a host-seat program in an executor's own process. */
  async onHost(executor: string, module: string, inputs: Json): Promise<Json> {
    const { model } = this.spec;
    const parameters = await this.context.blocks.put(`host:${module}`, model, new Uint8Array(1), { code: true });
    return (await this.onHosts([executor], { module, parameters }, inputs))[0]!;
  }

  /**
   * Runs a host-seat program in several executors at once, with the same inputs.
   * @param template where the message is kept, to be repeated; its inputs are then a pair
   * @returns what each answers, in their order. @throws TaskSetError when one is lost
   */
  async onHosts(
    executors: readonly string[],
    program: ProgramRef,
    inputs: Json,
    template?: MessageTemplate,
  ): Promise<Json[]> {
    const prefer = (executor: string) => slotKey(executor, HOST_SEAT);
    const tasks = executors.map((executor, partition) => ({ partition, inputs, prefer: prefer(executor) }));
    const set = { ...this.#identity(program.module), program, tasks, host: true, template };
    return (await this.context.tasks.run(set)).map(({ value }) => value);
  }

  /** @param step updates made before */
  #noteBackends(results: readonly TaskResult[], step: number): void {
    const answers = results.map(({ value, at }) => ({ ...(value as unknown as RestoreAnswer), at }));
    this.backend = answers[0]!.description;
    warnOfShortcomings(this.context, answers);
    const places = new Map(answers.map(({ fingerprint, at }) => [fingerprint, at]));
    if (places.size > 1) this.#warnOfMixture(places);
    const builds = buildsOf(places.keys());
    const change = changeOfBuilds(`${this.spec.model} after ${step} updates`, step > 0 ? this.builds : [], builds);
    if (change) this.context.bus.emit({ event: 'warning', message: change });
    this.builds = builds;
  }

  /** Slots keep the shards they have, and those of a lost one are computed again. */
  #warnOfOtherRows(): void {
    const message =
      `the training rows of ${this.spec.model} differ from one computation to the next (values, labels or order): shards that ` +
      'were loaded again are not those that were lost, and the weights cannot be had a second time; checkpoint the ' +
      'input before training, or persist it with a copy (MEMORY_AND_DISK_2), or make what computes it depend on its input and seeds alone';
    this.context.bus.emit({ event: 'warning', message });
  }

  #warnOfMixture(places: ReadonlyMap<string, SlotKey>): void {
    const list = [...places].map(([build, where]) => `${where}: ${build}`).join('; ');
    const message = `this cluster is mixed, so the weights may differ in their last bits from those of another run: ${list}`;
    this.context.bus.emit({ event: 'warning', message });
  }
}
