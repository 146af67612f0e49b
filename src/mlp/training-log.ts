import { goodput, nextBatch } from '../ps/optimizer/goodput.js';
import { Throughput } from '../ps/optimizer/throughput.js';
import type { EventBus } from '../scheduler/event-bus.js';
import type { Pace } from './pace.js';
import { addCosts, type RoundCost } from './rounds.js';
import type { EpochReport } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';

type Measures = Pick<EpochReport, 'batch' | 'noiseScale' | 'goodput'>;

interface Spent {
  readonly cost: RoundCost | undefined;
  /** That the cost is of. */
  readonly steps: number;
  readonly rows: number;
  readonly ms: number;
}

const NOTHING: Spent = { cost: undefined, steps: 0, rows: 0, ms: 0 };

function plus(one: Spent, other: Spent): Spent {
  const cost = one.cost && other.cost ? addCosts(one.cost, other.cost) : (other.cost ?? one.cost);
  return { cost, steps: one.steps + other.steps, rows: one.rows + other.rows, ms: one.ms + other.ms };
}

/** What it took to get from the commit before to this one. */
interface SpentToCommit {
  /** Updates made. */
  readonly step: number;
  readonly epoch: number;
  /** Which made it: another may have other slots. */
  readonly generation: number;
  readonly spent: Spent;
}

const total = (commits: readonly SpentToCommit[]) => commits.reduce((sum, { spent }) => plus(sum, spent), NOTHING);

/** What the log is told of a training, epoch by epoch. */
export class TrainingLog {
  #begun = 0;
  #generation = -1;
  /** Of the generation. */
  #members = 0;
  /** Rounds since the last commit. */
  #uncommitted: Spent = NOTHING;
  /** Of the epoch at hand and of the one before, as a training may fall back into that: whichever state is gone on from. */
  #commits: readonly SpentToCommit[] = [];
  /** Of the slots at hand. */
  #throughput = new Throughput();

  constructor(
    readonly bus: EventBus,
    readonly spec: TrainingSpec,
  ) {}

  /** A generation has formed: time runs from now on, and what was not committed is done again. */
  begin(generation: number, members: number): void {
    this.#begun = this.bus.clock.now();
    [this.#generation, this.#members] = [generation, members];
    this.#uncommitted = NOTHING;
    this.#throughput = new Throughput();
  }

  /** All goes on from the state after so many updates: what was done after it is done again. */
  fellBack(step: number): void {
    this.#commits = this.#commits.filter((commit) => commit.step <= step);
  }

  /**
   * All goes on from the state after so many updates, which is newer than what was committed: what was done counts, also
   * in the round that a loss broke off, though what that cost its members could not tell.
   * @param rows of its updates
   */
  salvaged(step: number, epoch: number, rows: number): void {
    this.add(undefined, 0, rows);
    this.commit(step, epoch);
  }

  /** A round is over. */
  add(cost: RoundCost | undefined, steps: number, rows: number): void {
    this.#uncommitted = plus(this.#uncommitted, { cost, steps, rows, ms: 0 });
  }

  /** @param step updates made @param epoch from 1, which they end in */
  commit(step: number, epoch: number): void {
    const now = this.bus.clock.now();
    const spent = { ...this.#uncommitted, ms: now - this.#begun };
    this.#commits = [
      ...this.#commits.filter((commit) => commit.epoch >= epoch - 1),
      { step, epoch, generation: this.#generation, spent },
    ];
    this.#uncommitted = NOTHING;
    this.#begun = now;
  }

  /** An epoch is over, and committed. @returns the report with what was measured */
  epoch(report: EpochReport, pace: Pace): EpochReport {
    const { bus, spec } = this;
    const generation = this.#generation;
    const commits = this.#commits.filter(({ epoch }) => epoch === report.epoch);
    const { rows, ms, cost } = total(commits);
    this.#learn(pace, total(commits.filter((commit) => commit.generation === generation)));
    const measures = measuresOf(pace, rows / Math.max(ms / 1000, 1e-9));
    const { noiseScale, ...finite } = measures;
    const noise = Number.isFinite(noiseScale) ? { noiseScale } : {};
    const { model, plan } = spec;
    const round = { model, generation, ...report, epochs: plan.epochs, rows, ms, ...cost };
    bus.emit({ event: 'round', ...round, ...finite, ...noise });
    return { ...report, ...measures };
  }

  /** By goodput, as steps were measured to take: the batch of the next epoch. @param pace of the next epoch, with the last one's batch */
  chosen({ plan, batch, noiseScale: noise }: Pace): number {
    const { baseBatch, max, growth = 2 } = plan.adaptive!;
    return nextBatch({ batch, min: plan.batch, max: max!, growth, baseBatch, noise, time: this.#throughput.time() });
  }

  /** The batch of the next epoch, and what it was chosen from. @param pace of the next epoch */
  batch({ batch, noiseScale, goodput }: EpochReport, pace: Pace): void {
    const noise = noiseScale === undefined ? 'not known yet' : `${short(noiseScale)} rows`;
    const worth = goodput === undefined ? '' : `, goodput ${short(goodput)} rows/s with ${batch} rows`;
    const what = `batch of ${this.spec.model} from epoch ${pace.epoch + 1} on`;
    this.bus.emit({ event: 'plan', what, choice: pace.batch, reason: `gradient noise scale ${noise}${worth}` });
  }

  /** @param spent of the epoch, by the slots at hand */
  #learn({ batch }: Pace, { cost, steps }: Spent): void {
    if (!cost) return;
    const { computeMs, exchangeMs } = cost;
    const each = 1000 * this.#members * steps;
    this.#throughput.add({ batch, compute: computeMs / each, exchange: exchangeMs / each });
  }
}

function measuresOf({ batch, noiseScale, measure, plan }: Pace, rowsPerSecond: number): Measures {
  if (!measure || noiseScale === undefined) return measure ? { batch } : {};
  const base = plan.adaptive?.baseBatch ?? batch;
  return { batch, noiseScale, goodput: goodput(batch, batch / rowsPerSecond, noiseScale, base) };
}

/** Three digits, without an exponent. */
const short = (value: number) => String(Number(value.toPrecision(3)));
