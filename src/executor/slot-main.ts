import { FailureError } from '../protocol/failure.js';
import type { Listening } from '../protocol/program.js';
import type { ResultMessage, TaskMessage } from '../protocol/task.js';
import { BlockFiles, type BlockHome } from './block-files.js';
import { ProgramRunner } from './program-runner.js';
import { ResidentMap } from './residents.js';
import { labelOutput } from './task-output.js';
import { newlyNeeded, warmStart } from './warm-start.js';

/**
 * A slot: the child process in which tasks compute. Native code blocks its event loop; everything that must answer in
 * time (queue, heartbeats, blocks) lives in the executor's process. It ends when its executor's channel closes.
 */
export interface SlotInit {
  readonly executor: string;
  readonly slot: number;
  readonly home: BlockHome;
  readonly directory: string;
  readonly listening: Listening;
  /** Modules of the engine that the first task is likely to need. */
  readonly preload: readonly string[];
}

export type ToSlot =
  | { readonly kind: 'run'; readonly message: TaskMessage }
  | { readonly kind: 'release'; readonly scope: string }
  /** Aborts the running message's signal; code that never looks at it is ended by the executor, with the slot. */
  | { readonly kind: 'cancel'; readonly id: string };

export interface FromSlot {
  readonly kind: 'done';
  readonly id: string;
  readonly outcomes: ResultMessage['outcomes'];
  /** Modules of the engine that came into use since the last answer. */
  readonly needed?: readonly string[];
}

const init: SlotInit = JSON.parse(process.env.SHEAF_SLOT ?? '');
labelOutput(`slot ${init.executor}/${init.slot}`);

const residents = new ResidentMap();
const runner = new ProgramRunner({
  executor: init.executor,
  slot: init.slot,
  blocks: new BlockFiles(init.home),
  residents,
  directory: init.directory,
  ...init.listening,
});
let running: { id: string; abort: AbortController } | undefined;
let work: Promise<void> = Promise.resolve();

process.on('message', (order: ToSlot) => {
  if (order.kind === 'cancel') cancel(order.id);
  else work = work.then(() => carryOut(order));
});
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});
// A task that comes meanwhile waits for it.
work = warmStart(init.preload);

async function carryOut(order: Exclude<ToSlot, { kind: 'cancel' }>): Promise<void> {
  if (order.kind === 'release') return residents.release(order.scope);
  running = { id: order.message.id, abort: new AbortController() };
  const outcomes = await runner.run(order.message, running.abort.signal);
  running = undefined;
  const needed = newlyNeeded();
  send({ kind: 'done', id: order.message.id, outcomes, ...(needed.length > 0 && { needed }) });
}

function cancel(id: string): void {
  if (running?.id === id)
    running.abort.abort(new FailureError({ kind: 'cancelled', message: 'the job was cancelled' }));
}

function send(answer: FromSlot): void {
  process.send?.(answer);
}
