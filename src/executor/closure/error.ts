/** A function or value cannot be sent to executors. Thrown on the driver, before any task starts. */
export class ClosureError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ClosureError';
  }
}

/** What cannot travel, as the message names it, and what the user does instead. */
export interface Refusal {
  readonly noun: string;
  readonly advice: string;
}
