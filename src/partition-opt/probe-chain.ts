import { createHash } from 'node:crypto';
import type { Json } from '../protocol/json.js';
import { type LineageNode, narrowParents, reachable } from '../scheduler/lineage.js';
import type { Step } from '../scheduler/step.js';

/** The operators from a source up to the last node of its stage. */
function chainOf(top: LineageNode, source: LineageNode): LineageNode[] {
  const chain: LineageNode[] = [];
  const above = new Map<LineageNode, LineageNode>();
  for (const node of reachable(top, narrowParents)) for (const parent of narrowParents(node)) above.set(parent, node);
  for (let node: LineageNode | undefined = source; node; node = node === top ? undefined : above.get(node))
    chain.push(node);
  return chain;
}

/**
 * A copy of the chain from `source` to `top` that reads other splits and keeps nothing: lineage is data. Pure.
 * @param newNode gives nodes their ids
 */
export function substituteSource(
  top: LineageNode,
  source: LineageNode,
  splits: readonly Json[],
  newNode: (name: string, step: Step, parents: readonly LineageNode[]) => LineageNode,
): { top: LineageNode; source: LineageNode } {
  const [, ...operators] = chainOf(top, source);
  const copy = newNode(source.name, source.step, []);
  copy.splits = splits;
  let last = copy;
  for (const { name, step } of operators) if (step.kind !== 'union') last = newNode(name, step, [last]);
  return { top: last, source: copy };
}

/** Equal for stages that do the same to a source: the operators and the text of their functions, not the files. */
export function fingerprint(top: LineageNode, source: LineageNode): string {
  const steps = chainOf(top, source).map(({ step }) => {
    if (step.kind !== 'source') return step;
    const { module, options, batches } = step.source;
    return { kind: step.kind, module, options, batches };
  });
  const text = JSON.stringify(steps, (_, value) => (typeof value === 'function' ? String(value) : value));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
