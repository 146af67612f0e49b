import type { Json } from './json.js';
import type { TaskMessage } from './task.js';

/**
 * Execution templates (Mashayekhi et al., "Execution Templates: Caching Control Plane Decisions for Strong Scaling of Data
 * Analytics", USENIX ATC 2017): a message that is sent over and over, as that of a training step, is kept by its executor when
 * it comes for the first time; from then on only what differs travels.
 *
 * Failure model: a template is installed when a message that carries it whole has been answered. An executor that does not
 * know a template has begun anew since, and answers with no outcome at all, which its driver takes for the loss of the executor.
 */
export interface Repetition {
  /** `<driver>-m<number>`. */
  readonly id: string;
  /** Scope below the driver's. */
  readonly template: string;
  /** What it brings: the second of the task's pair of inputs. */
  readonly inputs: Json;
}

/** What a queue carries to an executor. */
export type SentMessage = TaskMessage | Repetition;

/** What has to travel of a message. */
export function abridged(message: TaskMessage): SentMessage {
  const { id, driver, template, tasks } = message;
  if (!template?.installed) return message;
  const [, inputs] = tasks[0]!.inputs as readonly [Json, Json];
  return { id, template: template.scope.slice(driver.length + 1), inputs };
}

export function driverOf(message: SentMessage): string {
  return 'driver' in message ? message.driver : message.id.slice(0, message.id.lastIndexOf('-'));
}

/** The scope of its template; undefined for a message that came whole. */
export function templateOf(message: SentMessage): string | undefined {
  return 'driver' in message ? undefined : `${driverOf(message)}/${message.template}`;
}

/** The whole message that a repetition stands for. */
export function expanded(template: TaskMessage, { id, inputs }: Repetition, sentAt: number): TaskMessage {
  const [task] = template.tasks;
  const [kept] = task!.inputs as readonly [Json, Json];
  return { ...template, id, sentAt, tasks: [{ ...task!, inputs: [kept, inputs] }] };
}
