import { serveLines } from '../../common/serve.js';
import type { Course } from '../../staleness/progress.js';
import type { Case, Race } from '../cases.js';
import type { Files } from '../data.js';

/** What a peer answers; a case that it cannot do (yet) is skipped, with the reason. */
export interface Fit {
  /** The whole fit, from a network's description to its weights; rows were in memory before. */
  readonly seconds: number;
  readonly epochSeconds: readonly number[];
  /** Mean of each epoch. */
  readonly losses: readonly number[];
}

export interface Finish {
  /** Of training until then, evaluations not counted. */
  readonly seconds: number;
  readonly epochs: number;
  readonly accuracy: number;
}

export type Answer<T> = T | { readonly skipped: string };

export interface Orders {
  fit(order: { case: Case; train: Files }): Promise<Answer<Fit>>;
  /** @param order with options that Sheaf's classifier takes beside those of the case */
  course?(order: { case: Case; train: Files; options: object }): Promise<Answer<Course>>;
  race?(order: { race: Race; train: Files; test: Files }): Promise<Answer<Finish>>;
}

/** Lines are the name of an order, a tab, and the order as JSON. */
export async function serveFits(orders: Orders): Promise<void> {
  await serveLines(async ([name, order]) => {
    const run = orders[name as keyof Orders];
    return run ? run(JSON.parse(order!)) : { skipped: `does no ${name}` };
  });
}
