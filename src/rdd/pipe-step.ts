import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { StepContext } from './assemble-step.js';
import { CHUNK_ROWS, type Chunks, piecesOf, rowsOf } from './chunks.js';
import { userError } from './operator-failure.js';

export interface PipeParameters {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Lines of standard error that an error quotes. */
const QUOTED_LINES = 10;

/**
 * Step that runs a program over a partition: rows in, lines out. Both ways stream: rows are written as fast as the program
 * reads, its lines are read as fast as the steps above take them. The program is killed when they take no more, when the
 * task is cancelled, and when the rows fail.
 */
export async function* transform(
  chunks: Chunks,
  parameters: Json,
  { signal }: TaskContext,
  { name }: StepContext,
): Chunks {
  const { command, env, cwd } = parameters as unknown as PipeParameters;
  const [program, ...args] = command;
  const child = spawn(program!, args, { cwd, env: { ...process.env, ...env }, signal, killSignal: 'SIGKILL' });
  const ended = outcome(child);
  const said = quoting(child);
  const feeding = feed(child, chunks).catch((error) => {
    child.kill('SIGKILL');
    return { error };
  });
  try {
    let lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
      lines.push(line);
      if (lines.length < CHUNK_ROWS) continue;
      yield lines;
      lines = [];
    }
    const failed = await feeding;
    const problem = await ended;
    if (failed) throw failed.error;
    signal.throwIfAborted();
    if (problem !== undefined) throw userError(`${name}: ${shownCommand(command)} ${problem}${said()}`);
    if (lines.length > 0) yield lines;
  } finally {
    child.kill('SIGKILL');
    child.stdin.destroy();
    child.stdout.destroy();
  }
}

/** Writes rows as lines, waiting whenever the program is behind. A program that stops reading has had enough: no error. */
async function feed(child: ChildProcessWithoutNullStreams, chunks: Chunks): Promise<undefined> {
  const { stdin } = child;
  stdin.on('error', () => {}); // 'close' follows
  for await (const chunk of chunks) {
    for (const piece of piecesOf(chunk, CHUNK_ROWS)) {
      if (stdin.destroyed) return;
      const lines = rowsOf(piece).map((row) => `${row}\n`);
      if (!stdin.write(lines.join(''))) await drained(stdin);
    }
  }
  stdin.end();
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stdin.off('drain', done).off('close', done);
      resolve();
    };
    if (stdin.destroyed) resolve();
    else stdin.on('drain', done).on('close', done);
  });
}

/** Undefined when the program succeeded, else what went wrong. */
function outcome(child: ChildProcessWithoutNullStreams): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        error.code === 'ENOENT' ? 'was not found on the executor (or its cwd was not)' : `failed: ${error.message}`,
      );
    });
    child.once('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(code === null ? `was ended by ${signal}` : `ended with exit code ${code}`);
    });
  });
}

/** Passes standard error on, and keeps its last lines. */
function quoting(child: ChildProcessWithoutNullStreams): () => string {
  const last: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    last.push(line);
    if (last.length > QUOTED_LINES) last.shift();
  });
  return () => (last.length === 0 ? '' : `:\n${last.join('\n')}`);
}

const shownCommand = (command: readonly string[]) => `the command ${JSON.stringify(command.join(' '))}`;
