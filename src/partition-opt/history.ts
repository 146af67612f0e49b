import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ASSUMED, type CostConstants } from './cost-model.js';
import { fitConstants, type Measurement } from './fit.js';
import { mean, median } from './statistics.js';

/** What one run of a stage taught; one JSON line. */
export interface HistoryEntry {
  /** Of the stage's operators. */
  readonly stage: string;
  /** Processors and number of slots: constants of other machines are of no use. */
  readonly machine: string;
  /** Of the whole input. */
  readonly bytes: number;
  readonly measured: readonly Measurement[];
  readonly schedMs: number;
  readonly firstMs: number;
  readonly spread: number;
}

export interface Learned {
  readonly constants: CostConstants;
  readonly firstMs: number;
  readonly runs: number;
}

/** Older runs tell of older code and other neighbours on the machine. */
const RUNS = 8;
/** Costs of a byte hold for inputs of about the same size (caches, memory). */
const SIMILAR = 2;
const MAX_BYTES = 512 * 1024;

export function historyFile(environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return join(state, 'sheaf', 'history.jsonl');
}

/** Oldest first. Nothing when there is no file; lines that are none of ours are passed over. */
export function readHistory(file: string): HistoryEntry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => parseEntry(line) ?? []);
}

/** Adds an entry; when the file has grown large its older half goes. A history that cannot be written is done without. */
export function remember(file: string, entry: HistoryEntry): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, `${JSON.stringify(entry)}\n`);
    if (statSync(file).size <= MAX_BYTES) return;
    const entries = readHistory(file);
    const kept = entries.slice(entries.length >> 1).map((each) => `${JSON.stringify(each)}\n`);
    writeFileSync(`${file}.${process.pid}`, kept.join(''));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // A read-only home directory is no reason to fail.
  }
}

/** Constants from the last runs of a stage on such an input and machine; undefined when there is none. Pure. */
export function learn(
  entries: readonly HistoryEntry[],
  { stage, machine, bytes }: Pick<HistoryEntry, 'stage' | 'machine' | 'bytes'>,
): Learned | undefined {
  const alike = entries
    .filter((entry) => entry.stage === stage && entry.machine === machine)
    .filter((entry) => entry.bytes <= bytes * SIMILAR && bytes <= entry.bytes * SIMILAR)
    .filter(({ measured }) => measured.length > 0)
    .slice(-RUNS);
  if (alike.length === 0) return undefined;
  const fitted = fitConstants(alike.map(({ measured }) => measured));
  const spread = mean(alike.map((entry) => entry.spread));
  const constants = { ...fitted, schedMs: median(alike.map(({ schedMs }) => schedMs)), spread };
  return { constants, firstMs: median(alike.map(({ firstMs }) => firstMs)), runs: alike.length };
}

/**
 * Deviation of task times from the model, drawn towards what is assumed while there are few. From the median error: a
 * rare task that is many times slower says little of the others.
 */
export function spreadOf(measured: readonly Measurement[], { taskMs, byteMs }: CostConstants): number {
  const weight = 4;
  const errors = measured.map(({ bytes, ms }) => Math.abs(ms / Math.max(taskMs + byteMs * bytes, 1e-3) - 1));
  const deviation = MEDIAN_TO_DEVIATION * median(errors);
  return Math.min(1, (weight * ASSUMED.spread + errors.length * deviation) / (weight + errors.length));
}

/** Of a normal distribution. */
const MEDIAN_TO_DEVIATION = 1.4826;

function parseEntry(line: string): HistoryEntry | undefined {
  try {
    const entry = JSON.parse(line) as HistoryEntry;
    const numbers = [entry.bytes, entry.schedMs, entry.firstMs, entry.spread];
    const points = entry.measured.every(({ bytes, ms }) => isAmount(bytes) && isAmount(ms));
    const names = typeof entry.stage === 'string' && typeof entry.machine === 'string';
    return names && points && numbers.every(isAmount) ? entry : undefined;
  } catch {
    return undefined;
  }
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
