import type { TimedEvent } from '../protocol/event.js';

/** What is going on, as the progress line shows it. Pure: events in, text out. */
export interface ProgressState {
  readonly stage?: {
    readonly name: string;
    readonly tasks: number;
    readonly done: number;
    readonly rows: number;
    readonly since: number;
  };
  readonly training?: {
    readonly epoch: number;
    readonly epochs: number;
    readonly loss: number;
    readonly rowsPerSecond: number;
    readonly noiseScale?: number;
    readonly since: number;
  };
}

export function progress(state: ProgressState, event: TimedEvent): ProgressState {
  switch (event.event) {
    case 'stage-start':
      return { ...state, stage: { name: event.name, tasks: event.tasks, done: 0, rows: 0, since: event.at } };
    case 'task-end': {
      if (!state.stage || event.failure) return state;
      return {
        ...state,
        stage: { ...state.stage, done: state.stage.done + 1, rows: state.stage.rows + event.metrics.rows },
      };
    }
    case 'round': {
      const { epoch, epochs, loss, rows, ms, noiseScale } = event;
      const since = state.training?.since ?? event.at - ms;
      const rowsPerSecond = (rows / Math.max(ms, 1)) * 1000;
      return { ...state, training: { epoch, epochs, loss, rowsPerSecond, noiseScale, since } };
    }
    case 'job-end':
      return { training: state.training };
    default:
      return state;
  }
}

/** One line; empty while nothing runs. */
export function progressLine({ stage, training }: ProgressState, now: number): string {
  if (training && training.epoch < training.epochs) {
    const { epoch, epochs, loss, rowsPerSecond, noiseScale, since } = training;
    const left = ((now - since) / epoch) * (epochs - epoch);
    return `training · epoch ${epoch}/${epochs} · loss ${loss.toFixed(4)} · ${amount(rowsPerSecond)} rows/s${noise(noiseScale)} · ${seconds(left)} left`;
  }
  if (!stage) return '';
  const { name, tasks, done, rows, since } = stage;
  const elapsed = now - since;
  const rate = rows > 0 ? ` · ${amount((rows / Math.max(elapsed, 1)) * 1000)} rows/s` : '';
  const left = done > 0 ? ` · ${seconds((elapsed / done) * (tasks - done))} left` : '';
  return `${name} · ${done}/${tasks} tasks${rate}${left}`;
}

/** Lines for what has just happened, where there is no terminal (and above the progress line where there is one). */
export function plainLines(event: TimedEvent): string[] {
  switch (event.event) {
    case 'stage-end':
      return event.ok && event.ms >= 1000 ? [`stage ${event.stage} done in ${seconds(event.ms)}`] : [];
    case 'round':
      return event.epoch === event.epochs || event.epoch % Math.max(1, Math.floor(event.epochs / 10)) === 0
        ? [
            `epoch ${event.epoch}/${event.epochs} · loss ${event.loss.toFixed(4)} · ${amount((event.rows / Math.max(event.ms, 1)) * 1000)} rows/s${noise(event.noiseScale)}${good(event.goodput)}`,
          ]
        : [];
    case 'plan':
      return [`plan: ${event.what} = ${JSON.stringify(event.choice)} (${event.reason})`];
    case 'plan-measured':
      return event.predictedMs === undefined
        ? []
        : [`plan: ${event.what} took ${seconds(event.measuredMs)}, predicted ${seconds(event.predictedMs)}`];
    case 'dropped':
      return [`${event.what}: ${event.count} dropped`];
    case 'executor-lost':
      return [`lost ${event.executor}: ${event.reason}`];
    case 'warning':
      return [`warning: ${event.message}`];
    default:
      return [];
  }
}

const noise = (rows: number | undefined) => (rows === undefined ? '' : ` · noise scale ${amount(rows)} rows`);
const good = (rate: number | undefined) => (rate === undefined ? '' : ` · goodput ${amount(rate)} rows/s`);

export function amount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)}k` : String(Math.round(value));
}

export function seconds(ms: number): string {
  if (ms >= 90_000) return `${Math.round(ms / 60_000)} min`;
  return ms >= 10_000 ? `${Math.round(ms / 1000)} s` : `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`;
}
