import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `sheaf` command in a process of its own. */
export class SheafProcess {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;

  constructor(args: readonly string[], environment: Record<string, string | undefined> = {}) {
    this.child = spawn(process.execPath, [`${root}bin/sheaf.js`, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.finished = new Promise((resolve) => {
      // Not `close`: a child that outlives it may hold the pipe, which is for the footprint to notice.
      this.child.once('exit', (code, signal) =>
        setTimeout(() => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }), 50),
      );
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits until the command has said something on stderr. */
  async says(what: RegExp | string): Promise<void> {
    await until(`"${what}" on stderr of sheaf`, () => {
      if (typeof what === 'string' ? this.stderr.includes(what) : what.test(this.stderr)) return true;
      if (this.child.exitCode !== null)
        throw new Error(`sheaf ended (${this.child.exitCode}) before it said ${what}:\n${this.stderr}`);
      return false;
    });
  }
}

export function sheaf(args: readonly string[], environment?: Record<string, string | undefined>): Promise<Finished> {
  return new SheafProcess(args, environment).finished;
}
