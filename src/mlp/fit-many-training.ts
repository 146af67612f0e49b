import { encodeValue } from '../executor/closure/index.js';
import type { Json } from '../protocol/json.js';
import { together } from '../protocol/together.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { deviceAmong } from '../scheduler/slot-device.js';
import { warnOfShortcomings } from './backend-warning.js';
import { backendRequest } from './backends.js';
import { changeOfBuilds } from './builds.js';
import { Course, type CourseSpec, type Trained } from './course.js';
import type { DivergedError } from './diverged.js';
import type { ManyAnswer, ManyInputs, ManySpec } from './fit-many-program.js';
import type { ShardBlocks, ShardParameters } from './fit-many-shard.js';
import { isLoss } from './is-loss.js';
import { inputFingerprint } from './shard-checksum.js';
import type { PartitionSummary } from './summarise.js';

/** Losses of slots with nothing done in between, after which it is no bad luck. */
const ATTEMPTS = 3;

let trainings = 0;

/**
 * Trains several networks on the same rows. Each has its own course, with its checkpoints and what it is watched by; the
 * slots train them, dealt out anew in each round, from one state to the next. States come to the driver's host, so a round
 * that loses an executor is run again from them, and the rows are written again for it.
 *
 * @param parts of the table, whose rows are counted in them
 * @returns in the order of the courses; the errors of those that diverged in their places
 */
export async function trainMany(
  table: ArrowRDD,
  courses: readonly CourseSpec[],
  parts: readonly PartitionSummary[],
): Promise<(Trained | DivergedError)[]> {
  const { context } = table;
  const scope = `${context.app}/fit-many-${trainings++}`;
  try {
    const told = new Set<string>();
    const all = courses.map((spec, member) => new Course(context, spec, `${scope}/network-${member}`));
    for (const course of all) await course.begin();
    for (let attempt = 0, fruitless = 0; all.some((course) => !course.over); attempt++) {
      const rounds = new ManyRounds(table, all, parts, `${scope}/attempt-${attempt}`, told);
      try {
        await rounds.form();
        for (; all.some((course) => !course.over); fruitless = 0) await rounds.run();
      } catch (error) {
        if (!isLoss(error) || ++fruitless === ATTEMPTS) throw error;
        const message = `networks trained together go on from their last states: ${(error as Error).message}`;
        context.bus.emit({ event: 'warning', message });
      } finally {
        context.dag.release(rounds.scope);
      }
    }
    return await Promise.all(all.map((course) => course.result()));
  } finally {
    context.dag.release(scope);
  }
}

/** A network in the middle of its training. */
export interface Standing {
  readonly member: number;
  /** Updates made. */
  readonly step: number;
  /** After which its state is to be looked at, or kept. */
  readonly until: number;
}

/**
 * What the next round covers: those that are furthest behind, until one of them has something to do or they meet others that
 * are further on (checkpoints of a training that was broken off may differ by one). Pure.
 *
 * @param standings at least one
 */
export function nextRound(standings: readonly Standing[]): { members: number[]; from: number; until: number } {
  const from = Math.min(...standings.map(({ step }) => step));
  const behind = standings.filter(({ step }) => step === from);
  const ahead = standings.filter(({ step }) => step > from).map(({ step }) => step);
  const until = Math.min(...behind.map((standing) => standing.until), ...ahead);
  return { members: behind.map(({ member }) => member), from, until };
}

/** Rounds on the slots and rows that there are until something is lost. */
class ManyRounds {
  #shards: readonly ShardBlocks[] = [];
  #input = '';
  #rounds = 0;

  constructor(
    readonly table: ArrowRDD,
    readonly courses: readonly Course[],
    readonly parts: readonly PartitionSummary[],
    readonly scope: string,
    /** What has been warned of in this training. */
    readonly told: Set<string>,
  ) {}

  /** Writes the rows where any slot can read them. @throws Error when they are not those of a checkpoint */
  async form(): Promise<void> {
    const { table, parts, scope } = this;
    const { plan, request, target } = this.courses[0]!.spec;
    const { features, weight } = request.columns;
    const parameters: ShardParameters = {
      ...{ scope, features, inputs: plan.network.inputs, target },
      ...(weight !== undefined && { weight }),
    };
    const dealt = await table.deal(
      plan.shards,
      parts.map((part) => part.rows),
    );
    const terminal = {
      kind: 'module',
      module: 'mlp/fit-many-shard',
      parameters: parameters as unknown as Json,
    } as const;
    this.#shards = await table.context.runJob(
      { top: dealt.node, terminal, name: 'write training shards', scope: `${scope}/data` },
      async (answer) => answer as unknown as ShardBlocks,
    );
    this.#input = inputFingerprint(this.#shards.map(({ checksum }) => checksum));
    for (const course of this.courses) course.checkInput(this.#input);
  }

  /** As many tasks as slots, each with neighbouring networks. */
  async run(): Promise<void> {
    const { courses, scope } = this;
    const { tasks: scheduler, blocks, conf } = this.table.context;
    const standings = courses.flatMap((course, member) => (course.over ? [] : [{ member, ...course.standing }]));
    const { members, from, until } = nextRound(standings);
    const { device: wanted } = backendRequest(conf);
    await scheduler.slotsAvailable(1, wanted === 'auto' ? undefined : wanted);
    const device = deviceAmong(wanted, scheduler.slots());
    const slots = scheduler.slots().filter((slot) => slot.device === device);
    const count = Math.min(slots.length, members.length);
    const first = (k: number) => Math.floor((k * members.length) / count);
    const tasks = Array.from({ length: count }, (_, partition) => {
      const own = members.slice(first(partition), first(partition + 1));
      const inputs: ManyInputs = { from, until, members: own.map((m) => ({ member: m, ...courses[m]!.order(until) })) };
      return { partition, inputs: inputs as unknown as Json, prefer: slots[partition]!.key };
    });
    const spec: ManySpec = {
      scope,
      backend: backendRequest(conf),
      plans: courses.map(({ spec }) => spec.plan),
      shards: this.#shards,
    };
    const parameters = await blocks.put(`program:${scope}`, scope, encodeValue(spec), { code: true });
    const results = await scheduler.run({
      ...{ job: scope, stage: this.#rounds++, stageAttempt: 0, name: 'train many networks', tasks, device },
      program: { module: 'mlp/fit-many-program', parameters },
    });
    const answers = results.map(({ value, at }) => ({ ...(value as unknown as ManyAnswer), at }));
    warnOfShortcomings(this.table.context, answers);
    const learnt = answers.flatMap(({ networks, ...by }) => networks.map((network) => ({ ...network, ...by })));
    this.#warnOfBuilds(learnt);
    const input = this.#input;
    // What fails has all courses begin again from where they stand: none may still be moving then.
    await together(
      learnt.map((answer) => {
        const { member, fingerprint, backend } = answer;
        return courses[member]!.advance(answer, until, { input, builds: [fingerprint], backend });
      }),
    );
  }

  /** Of many networks once. @param answers of networks that go on, each with what computed it now */
  #warnOfBuilds(answers: readonly { readonly member: number; readonly fingerprint: string }[]): void {
    const { context } = this.table;
    for (const { member, fingerprint } of answers) {
      const change = changeOfBuilds('networks trained together', this.courses[member]!.builds, [fingerprint]);
      if (!change || this.told.has(change)) continue;
      this.told.add(change);
      context.bus.emit({ event: 'warning', message: change });
    }
  }
}
