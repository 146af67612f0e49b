/**
 * Which names a function's text takes from outside itself. Works on an ESTree node as acorn gives it; no name is
 * looked up here. Declarations are hoisted, so references are resolved after the whole text has been seen.
 */
export interface FreeName {
  /** The text assigns to the name: `n++`, `n = 1`, `[n] = …`. */
  assigned: boolean;
  /** Properties read as `name.x`, when every use of the name has that form; otherwise undefined. */
  members?: Set<string>;
}

export interface Analysis {
  readonly free: Map<string, FreeName>;
  /** What the text takes from the function around it and no value can replace, with the offset of its first use. */
  readonly outer: Map<'this' | 'super' | 'arguments' | 'new.target', number>;
  /** A `#name` that no class inside the text declares. */
  readonly privateName?: string;
  /** Offsets of `import(` and of `import.meta`. */
  readonly dynamicImports: readonly number[];
  readonly importMetas: readonly number[];
}

interface Scope {
  readonly names: Set<string>;
  readonly parent: Scope | undefined;
  /** `var` declarations and hoisted functions end here. */
  readonly hoist: boolean;
}

/** Whether `this`, `super` and `arguments` at this place are those of the code around the text. */
interface Frame {
  readonly outerThis: boolean;
  readonly outerSuper: boolean;
}

interface Reference {
  readonly name: string;
  readonly scope: Scope;
  readonly assigned: boolean;
  readonly member: string | undefined;
}

type Node = { readonly type: string; readonly start: number; readonly [key: string]: any };

const INSIDE: Frame = { outerThis: false, outerSuper: false };

/** `method`: the node is the function of a method, whose `super` belongs to an object outside the text. */
export function analyse(root: Node, method = false): Analysis {
  const walker = new Walker();
  const scope: Scope = { names: new Set(), parent: undefined, hoist: true };
  if (method) walker.function(root, scope, { outerThis: false, outerSuper: true });
  else walker.visit(root, scope, { outerThis: true, outerSuper: true });
  return walker.finish();
}

class Walker {
  readonly #references: Reference[] = [];
  readonly #outer: Analysis['outer'] = new Map();
  readonly #privateUsed = new Set<string>();
  readonly #privateDeclared = new Set<string>();
  readonly #dynamicImports: number[] = [];
  readonly #importMetas: number[] = [];

  finish(): Analysis {
    const free = new Map<string, FreeName>();
    for (const { name, scope, assigned, member } of this.#references) {
      if (declared(scope, name)) continue;
      const known = free.get(name);
      if (known === undefined) {
        free.set(name, { assigned, members: member === undefined ? undefined : new Set([member]) });
        continue;
      }
      known.assigned ||= assigned;
      if (member === undefined) known.members = undefined;
      else known.members?.add(member);
    }
    return {
      free,
      outer: this.#outer,
      privateName: [...this.#privateUsed].find((name) => !this.#privateDeclared.has(name)),
      dynamicImports: this.#dynamicImports,
      importMetas: this.#importMetas,
    };
  }

  visit(node: Node, scope: Scope, frame: Frame): void {
    switch (node.type) {
      case 'Identifier':
        this.#reference(node, scope, frame);
        return;
      case 'ThisExpression':
        if (frame.outerThis) this.#takes('this', node);
        return;
      case 'Super':
        if (frame.outerSuper) this.#takes('super', node);
        return;
      case 'MetaProperty':
        if (node.meta.name === 'import') this.#importMetas.push(node.start);
        else if (frame.outerThis) this.#takes('new.target', node);
        return;
      case 'ImportExpression':
        this.#dynamicImports.push(node.start);
        this.#children(node, scope, frame);
        return;
      case 'PrivateIdentifier':
        this.#privateUsed.add(node.name);
        return;
      case 'MemberExpression':
        if (node.object.type === 'Identifier' && !node.computed && node.property.type === 'Identifier')
          this.#reference(node.object, scope, frame, { member: node.property.name });
        else this.visit(node.object, scope, frame);
        if (node.computed || node.property.type === 'PrivateIdentifier') this.visit(node.property, scope, frame);
        return;
      case 'Property':
        if (node.computed) this.visit(node.key, scope, frame);
        if (node.method || node.kind === 'get' || node.kind === 'set') this.function(node.value, scope, INSIDE);
        else this.visit(node.value, scope, frame);
        return;
      case 'AssignmentExpression':
        this.#target(node.left, scope, frame);
        this.visit(node.right, scope, frame);
        return;
      case 'UpdateExpression':
        this.#target(node.argument, scope, frame);
        return;
      case 'VariableDeclaration':
        for (const each of node.declarations) {
          this.#declare(each.id, node.kind === 'var' ? hoisted(scope) : scope);
          this.#defaults(each.id, scope, frame);
          if (each.init) this.visit(each.init, scope, frame);
        }
        return;
      case 'FunctionDeclaration':
        scope.names.add(node.id.name);
        hoisted(scope).names.add(node.id.name);
        this.function(node, scope, INSIDE);
        return;
      case 'FunctionExpression':
        this.function(node, node.id ? inner(scope, node.id.name) : scope, INSIDE);
        return;
      case 'ArrowFunctionExpression':
        this.function(node, scope, frame);
        return;
      case 'ClassDeclaration':
        if (node.id) scope.names.add(node.id.name);
        this.#class(node, scope, frame);
        return;
      case 'ClassExpression':
        this.#class(node, scope, frame);
        return;
      case 'BlockStatement':
      case 'SwitchStatement':
      case 'ForStatement':
        this.#children(node, inner(scope), frame);
        return;
      case 'ForInStatement':
      case 'ForOfStatement': {
        const loop = inner(scope);
        if (node.left.type === 'VariableDeclaration') this.visit(node.left, loop, frame);
        else this.#target(node.left, loop, frame);
        this.visit(node.right, loop, frame);
        this.visit(node.body, loop, frame);
        return;
      }
      case 'CatchClause': {
        const clause = inner(scope);
        if (node.param) {
          this.#declare(node.param, clause);
          this.#defaults(node.param, clause, frame);
        }
        this.visit(node.body, clause, frame);
        return;
      }
      case 'LabeledStatement':
        this.visit(node.body, scope, frame);
        return;
      case 'BreakStatement':
      case 'ContinueStatement':
        return;
      default:
        this.#children(node, scope, frame);
        return;
    }
  }

  function(node: Node, scope: Scope, frame: Frame): void {
    const body: Scope = { names: new Set(), parent: scope, hoist: true };
    if (node.type !== 'ArrowFunctionExpression') body.names.add('arguments');
    for (const parameter of node.params) this.#declare(parameter, body);
    for (const parameter of node.params) this.#defaults(parameter, body, frame);
    if (node.body.type === 'BlockStatement') this.#children(node.body, body, frame);
    else this.visit(node.body, body, frame);
  }

  #class(node: Node, scope: Scope, frame: Frame): void {
    const own = node.id ? inner(scope, node.id.name) : scope;
    if (node.superClass) this.visit(node.superClass, own, frame);
    for (const element of node.body.body) {
      if (element.key?.type === 'PrivateIdentifier') this.#privateDeclared.add(element.key.name);
      else if (element.computed) this.visit(element.key, own, frame);
      const initial: Scope = { names: new Set(['arguments']), parent: own, hoist: true };
      if (element.type === 'MethodDefinition') this.function(element.value, own, INSIDE);
      else if (element.type === 'StaticBlock') this.#children(element, initial, INSIDE);
      else if (element.value) this.visit(element.value, initial, INSIDE);
    }
  }

  #children(node: Node, scope: Scope, frame: Frame): void {
    for (const key in node) {
      const child = node[key];
      if (Array.isArray(child)) {
        for (const each of child) if (typeof each?.type === 'string') this.visit(each, scope, frame);
      } else if (typeof child?.type === 'string') this.visit(child, scope, frame);
    }
  }

  #reference(node: Node, scope: Scope, frame: Frame, use: { assigned?: boolean; member?: string } = {}): void {
    if (node.name === 'arguments' && !declared(scope, 'arguments')) {
      if (frame.outerThis) this.#takes('arguments', node);
      return;
    }
    const { assigned = false, member } = use;
    this.#references.push({ name: node.name, scope, assigned, member });
  }

  /** The left side of an assignment: names in it are written, everything else in it is read. */
  #target(node: Node, scope: Scope, frame: Frame): void {
    switch (node.type) {
      case 'Identifier':
        this.#reference(node, scope, frame, { assigned: true });
        return;
      case 'ObjectPattern':
        for (const property of node.properties) {
          if (property.computed) this.visit(property.key, scope, frame);
          this.#target(property.type === 'RestElement' ? property.argument : property.value, scope, frame);
        }
        return;
      case 'ArrayPattern':
        for (const element of node.elements) if (element) this.#target(element, scope, frame);
        return;
      case 'RestElement':
        this.#target(node.argument, scope, frame);
        return;
      case 'AssignmentPattern':
        this.#target(node.left, scope, frame);
        this.visit(node.right, scope, frame);
        return;
      default:
        this.visit(node, scope, frame);
        return;
    }
  }

  #declare(pattern: Node, scope: Scope): void {
    for (const name of patternNames(pattern)) scope.names.add(name);
  }

  /** Default values and computed keys of a declared pattern. */
  #defaults(pattern: Node, scope: Scope, frame: Frame): void {
    switch (pattern.type) {
      case 'ObjectPattern':
        for (const property of pattern.properties) {
          if (property.computed) this.visit(property.key, scope, frame);
          this.#defaults(property.type === 'RestElement' ? property.argument : property.value, scope, frame);
        }
        return;
      case 'ArrayPattern':
        for (const element of pattern.elements) if (element) this.#defaults(element, scope, frame);
        return;
      case 'RestElement':
        this.#defaults(pattern.argument, scope, frame);
        return;
      case 'AssignmentPattern':
        this.#defaults(pattern.left, scope, frame);
        this.visit(pattern.right, scope, frame);
        return;
    }
  }

  #takes(what: 'this' | 'super' | 'arguments' | 'new.target', node: Node): void {
    if (!this.#outer.has(what)) this.#outer.set(what, node.start);
  }
}

function inner(parent: Scope, ...names: string[]): Scope {
  return { names: new Set(names), parent, hoist: false };
}

function hoisted(scope: Scope): Scope {
  let at = scope;
  while (!at.hoist && at.parent) at = at.parent;
  return at;
}

function declared(scope: Scope, name: string): boolean {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.names.has(name)) return true;
  return false;
}

/** The names that a pattern declares: `{ a, b: [c] }`. */
export function patternNames(pattern: any): string[] {
  switch (pattern?.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((each: any) => patternNames(each.argument ?? each.value));
    case 'ArrayPattern':
      return pattern.elements.flatMap(patternNames);
    case 'AssignmentPattern':
      return patternNames(pattern.left);
    case 'RestElement':
      return patternNames(pattern.argument);
    default:
      return [];
  }
}
