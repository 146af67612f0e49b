import { inScope } from '../protocol/scope.js';
import type { TaskMessage } from '../protocol/task.js';
import { expanded, type SentMessage, templateOf } from '../protocol/template.js';

/** The templates that one executor keeps, by scope; see protocol/template.ts. */
export class Templates {
  readonly #kept = new Map<string, TaskMessage>();

  constructor(readonly now: () => number = Date.now) {}

  /** A message, whole; it is kept when others will repeat it. @returns undefined for one whose template is not here */
  whole(message: SentMessage): TaskMessage | undefined {
    if ('driver' in message) {
      if (message.template) this.#kept.set(message.template.scope, message);
      return message;
    }
    const template = this.#kept.get(templateOf(message)!);
    return template && expanded(template, message, this.now());
  }

  release(scope: string): void {
    for (const kept of this.#kept.keys()) if (inScope(kept, scope)) this.#kept.delete(kept);
  }
}
