import { goodput, nextBatch } from '../ps/optimizer/goodput.js';
import { Throughput } from '../ps/optimizer/throughput.js';
import type { EventBus } from '../scheduler/event-bus.js';
import type { Pace } from './pace.js';
import { addCosts, type RoundCost } from './rounds.js';
import type { EpochReport } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';

type Measures = Pick<EpochReport, 'batch' | 'noiseScale' | 'goodput'>;

/** What the log is told of a training, epoch by epoch. */
export class TrainingLog {
  #begun = 0;
  /** Of the epoch's rounds so far. */
  #cost: RoundCost | undefined;
  /** That the cost is of. */
  #steps = 0;
  /** Of the slots at hand. */
  #throughput = new Throughput();

  constructor(
    readonly bus: EventBus,
    readonly spec: TrainingSpec,
  ) {}

  /** A generation has formed: time runs from now on. */
  begin(): void {
    this.#begun = this.bus.clock.now();
    this.#throughput = new Throughput();
  }

  add(cost: RoundCost | undefined, steps: number): void {
    this.#cost = cost && (this.#cost ? addCosts(this.#cost, cost) : cost);
    this.#steps += steps;
  }

  /** An epoch is over. @param members slots that took part @returns the report with what was measured */
  epoch(report: EpochReport, rows: number, pace: Pace, generation: number, members: number): EpochReport {
    const { bus, spec } = this;
    this.#learn(pace, members);
    const ms = bus.clock.now() - this.#begun;
    this.#begun = bus.clock.now();
    const measures = measuresOf(pace, rows / Math.max(ms / 1000, 1e-9));
    const { noiseScale, ...finite } = measures;
    const noise = Number.isFinite(noiseScale) ? { noiseScale } : {};
    const { model, plan } = spec;
    const round = { model, generation, ...report, epochs: plan.epochs, rows, ms, ...this.#cost };
    bus.emit({ event: 'round', ...round, ...finite, ...noise });
    this.#cost = undefined;
    this.#steps = 0;
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

  #learn({ batch }: Pace, members: number): void {
    if (!this.#cost) return;
    const { computeMs, exchangeMs } = this.#cost;
    const each = 1000 * members * this.#steps;
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
