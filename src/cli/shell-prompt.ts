import { type REPLServer, Recoverable, start } from 'node:repl';
import type { SheafContext } from '../rdd/context.js';
import { describeError } from './describe-error.js';
import { Screen, showProgress } from './progress.js';
import { type Evaluator, IncompleteInput, type PreparedInput } from './shell-evaluator.js';
import { GatedInput } from './shell-input.js';
import type { RunningJobs } from './shell-session.js';

export interface PromptOptions {
  readonly sc: SheafContext;
  readonly jobs: RunningJobs;
  readonly evaluator: Evaluator;
  /** File of earlier inputs; used on a terminal. */
  readonly history: string | undefined;
  readonly show: (value: unknown) => string;
}

/** Node's REPL (editing, completion, history, its commands) around the shell's own evaluator. Resolves when the user ends it. */
export function startPrompt(options: PromptOptions): Promise<number> {
  return new Prompt(options).ended;
}

class Prompt {
  readonly ended: Promise<number>;
  readonly #repl: REPLServer;
  readonly #input: GatedInput;
  #prompts = 0;
  /** Present while an input runs. */
  #interrupt: ((reason: symbol) => void) | undefined;

  constructor(readonly options: PromptOptions) {
    const { sc, jobs, history } = options;
    this.#input = new GatedInput(process.stdin, () => this.#onInterrupt());
    if (process.stdout.isTTY)
      process.stdout.write(`Sheaf on ${masterOf(sc)} with ${slots(sc)}; sc is the context, .help lists commands.\n`);
    this.#repl = start({
      prompt: 'sheaf> ',
      input: this.#input,
      output: process.stdout,
      terminal: this.#input.isTTY && process.stdout.isTTY === true,
      useGlobal: true,
      ignoreUndefined: true,
      preview: false,
      writer: options.show,
      eval: (input, _context, _file, done) => this.#evaluate(input, done),
    });
    this.#defineCommands();
    const displayPrompt = this.#repl.displayPrompt.bind(this.#repl);
    this.#repl.displayPrompt = (preserveCursor) => {
      this.#prompts++;
      displayPrompt(preserveCursor);
      if (!this.#interrupt) this.#input.ready();
    };
    if (history !== undefined && this.#repl.terminal) this.#repl.setupHistory(history, () => {});
    this.#listen();
    this.ended = new Promise((resolve) => {
      this.#repl.once('exit', () => {
        jobs.cancel();
        resolve(0);
      });
    });
  }

  #defineCommands(): void {
    const { sc, jobs } = this.options;
    this.#repl.defineCommand('status', {
      help: 'Show the application, its slots and running jobs',
      action: () => this.#print(statusOf(sc, jobs)),
    });
    this.#repl.defineCommand('cancel', {
      help: 'Cancel all running jobs, as Ctrl-C does',
      action: () => this.#print(`jobs cancelled: ${jobs.cancel()}`),
    });
  }

  #listen(): void {
    const interrupt = () => this.#onInterrupt();
    const end = () => this.#repl.close();
    const fail = (error: unknown) => this.#print(describeError(error));
    this.#repl.removeAllListeners('SIGINT').on('SIGINT', interrupt);
    process.on('SIGINT', interrupt).once('SIGTERM', end).once('SIGHUP', end);
    process.on('unhandledRejection', fail).on('uncaughtException', fail);
  }

  #evaluate(input: string, done: (error: Error | null, value?: unknown) => void): void {
    let prepared: PreparedInput;
    try {
      prepared = this.options.evaluator.prepare(input);
    } catch (error) {
      const incomplete = error instanceof IncompleteInput;
      if (!incomplete) process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`);
      const prompts = this.#prompts;
      done(incomplete ? new Recoverable(error) : null);
      if (prompts === this.#prompts) this.#input.ready(); // Node 24 goes on in the same prompt
      return;
    }
    let last: unknown;
    const show = (value: unknown) => {
      last = value;
    };
    this.#run(prepared, show).then(
      () => done(null, last),
      (error) => {
        process.stdout.write(`${isInterruption(error) ? 'interrupted' : describeError(error)}\n`);
        done(null);
      },
    );
  }

  async #run(prepared: PreparedInput, show: (value: unknown) => void): Promise<void> {
    const { stdin } = process;
    const endProgress = showProgress(this.options.jobs.bus, new Screen(process.stderr));
    const interrupted = new Promise<never>((_, reject) => {
      this.#interrupt = reject;
    });
    // In raw mode Ctrl-C is a key like any other, and no key is read while code runs synchronously.
    const raw = stdin.isTTY && stdin.isRaw;
    if (raw) stdin.setRawMode(false);
    const run = this.options.evaluator.run(prepared, show, raw);
    if (raw) stdin.setRawMode(true);
    try {
      await Promise.race([run, interrupted]);
    } finally {
      run.catch(() => {}); // it may fail after an interruption
      this.#interrupt = undefined;
      endProgress();
    }
  }

  /** Ends what runs; else clears the line, as Node's REPL does. It never ends the shell. */
  #onInterrupt(): void {
    const cancelled = this.options.jobs.cancel();
    if (this.#interrupt) {
      this.#interrupt(INTERRUPTED);
      return;
    }
    const idle = cancelled === 0 && this.#repl.line === '';
    this.#repl.clearBufferedCommand();
    if (this.#repl.terminal) for (const name of ['e', 'u']) this.#repl.write(null, { ctrl: true, name }); // to the end, and delete the line
    this.#print(idle ? '\n(to end, press Ctrl-D or type .exit)' : '');
  }

  #print(text: string): void {
    process.stdout.write(`${text}\n`);
    this.#repl.displayPrompt();
  }
}

const INTERRUPTED = Symbol('interrupted');

/** By Ctrl-C: while it waited, or while it ran. */
function isInterruption(error: unknown): boolean {
  return error === INTERRUPTED || (error as NodeJS.ErrnoException)?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED';
}

function masterOf({ conf }: SheafContext): string {
  return conf.toJSON()['sheaf.master'] ?? conf.get('sheaf.master');
}

function slots(sc: SheafContext): string {
  const count = sc.tasks.slots().length;
  return `${count} slot${count === 1 ? '' : 's'}`;
}

function statusOf(sc: SheafContext, jobs: RunningJobs): string {
  const executors = sc.tasks.executors().map(({ id }) => id);
  return [
    `application ${sc.app}`,
    `${slots(sc)} on ${executors.length === 0 ? 'no executor' : executors.join(', ')}`,
    ...(jobs.names().length === 0 ? ['no job is running'] : jobs.names().map((name) => `running: ${name}`)),
  ].join('\n');
}
