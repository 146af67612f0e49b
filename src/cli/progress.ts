import type { EventBus } from '../scheduler/event-bus.js';
import { type ProgressState, plainLines, progress, progressLine } from './progress-state.js';

const REDRAW_MS = 100;
const CLEAR_LINE = '\r\x1b[2K';

/** Standard error with one live line at the bottom: what is printed goes above it. Without a terminal there is no line. */
export class Screen {
  readonly #write: (text: string) => boolean;
  #line = '';

  constructor(readonly stream: NodeJS.WriteStream) {
    this.#write = stream.write.bind(stream);
  }

  print(text: string): void {
    this.#write(this.#line ? `${CLEAR_LINE}${text}${this.#line}` : text);
  }

  show(line: string): void {
    if (!this.stream.isTTY || line === this.#line) return;
    this.#line = line.slice(0, (this.stream.columns || 80) - 1);
    this.#write(CLEAR_LINE + this.#line);
  }
}

/**
 * Shows an application's events: one line kept up to date on a terminal, plain lines elsewhere.
 * @returns the function that ends it
 */
export function showProgress(bus: EventBus, screen: Screen): () => void {
  const { stream } = screen;
  let state: ProgressState = {};
  const unlisten = bus.listen((event) => {
    state = progress(state, event);
    if (stream.isTTY && event.event === 'round') return; // the live line shows it
    for (const line of plainLines(event)) screen.print(`${line}\n`);
  });
  const timer = setInterval(() => screen.show(progressLine(state, bus.clock.now())), REDRAW_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    screen.show('');
    unlisten();
  };
}
