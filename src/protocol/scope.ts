/** Scopes are paths: `app`, `app/job-3`, `app/job-3/stage-1`. What belongs to a scope ends with it. */
export function inScope(scope: string, outer: string): boolean {
  return scope === outer || scope.startsWith(`${outer}/`);
}
