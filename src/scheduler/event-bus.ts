import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Clock, systemClock } from '../protocol/clock.js';
import type { SheafEvent, TimedEvent } from '../protocol/event.js';

export type EventListener = (event: TimedEvent) => void;

/** Hands every event of one application to its listeners, at once and in order. */
export class EventBus {
  readonly #listeners = new Set<EventListener>();

  constructor(readonly clock: Clock = systemClock) {}

  emit(event: SheafEvent): void {
    const timed = { ...event, at: this.clock.now() };
    for (const listener of this.#listeners) listener(timed);
  }

  /** Returns the function that unsubscribes. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * Appends events to a file as JSON lines; lines are gathered for a moment, a task end is no reason for a system call.
 * A log that cannot be written is no reason for a job to fail: a `warning` event says so once, and the log ends there.
 */
export function writeEventLog(bus: EventBus, path: string): { close(): void } {
  let lines: string[] = [];
  let cancel: (() => void) | undefined;
  let unlisten = () => {};
  const trying = (work: () => void) => {
    try {
      work();
    } catch (error) {
      unlisten();
      lines = [];
      bus.emit({ event: 'warning', message: `the event log is not written: ${(error as Error).message}` });
    }
  };
  const flush = () => {
    cancel?.();
    cancel = undefined;
    if (lines.length) trying(() => appendFileSync(path, `${lines.join('\n')}\n`));
    lines = [];
  };
  trying(() => {
    mkdirSync(dirname(path), { recursive: true });
    removeOldLogs(dirname(path));
    appendFileSync(path, '');
    unlisten = bus.listen((event) => {
      lines.push(JSON.stringify(event));
      cancel ??= bus.clock.after(100, flush);
    });
  });
  return {
    close() {
      unlisten();
      flush();
    },
  };
}

/** Event logs kept in one directory. */
const LOGS_KEPT = 200;

function removeOldLogs(directory: string): void {
  const logs = readdirSync(directory).filter((name) => /^app-.*\.jsonl$/.test(name));
  if (logs.length < LOGS_KEPT) return;
  const modified = (name: string) => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const newestFirst = logs.map((name) => ({ name, at: modified(name) })).sort((a, b) => b.at - a.at);
  for (const { name } of newestFirst.slice(LOGS_KEPT - 1)) rmSync(join(directory, name), { force: true });
}
