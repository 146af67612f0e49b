import { createLogUpdate } from 'log-update';
import type { EventBus } from '../scheduler/event-bus.js';
import { type ProgressState, plainLines, progress, progressLine } from './progress-state.js';

const REDRAW_MS = 100;

/**
 * Shows an application's events on stderr: one line kept up to date on a terminal, plain lines elsewhere.
 * @returns the function that ends it
 */
export function showProgress(bus: EventBus, stream: NodeJS.WriteStream, write: (text: string) => void): () => void {
  let state: ProgressState = {};
  const live = stream.isTTY ? createLogUpdate({ ...stream, write, columns: stream.columns } as never) : undefined;
  const unlisten = bus.listen((event) => {
    state = progress(state, event);
    const lines = plainLines(event);
    if (lines.length === 0) return;
    live?.clear();
    write(`${lines.join('\n')}\n`);
  });
  const timer = live && setInterval(() => live(progressLine(state, bus.clock.now())), REDRAW_MS);
  timer?.unref();
  return () => {
    clearInterval(timer);
    live?.clear();
    unlisten();
  };
}
