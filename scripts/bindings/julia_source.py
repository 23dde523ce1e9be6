"""Reads Julia's syntax, as far as the checks of a binding need it: what files define, bind, call and export."""

import math
from collections.abc import Iterator
from pathlib import Path

import tree_sitter_julia
from tree_sitter import Language, Node, Parser

PARSER = Parser(Language(tree_sitter_julia.language()))


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.named_children:
        yield from walk(child)


def text(node: Node) -> str:
    return " ".join(node.text.decode().split())


def place(node: Node) -> str:
    return f"line {node.start_point[0] + 1}"


def bound(node: Node) -> list[str]:
    """The names that a pattern binds: x, x::T, x = 1, x..., (x, y)."""
    if node.type == "identifier":
        return [text(node)]
    if node.type in ("tuple_expression", "open_tuple", "argument_list"):
        return [name for child in node.named_children for name in bound(child)]
    if node.type in ("typed_expression", "named_argument", "assignment", "splat_expression", "for_binding", "let_binding"):
        return bound(node.named_children[0])
    return []


def signature(node: Node) -> Node | None:
    """The f(...) of what defines a function."""
    if node.type not in ("function_definition", "assignment"):
        return None
    node = node.named_children[0]
    while node.type in ("signature", "where_expression", "typed_expression"):
        node = node.named_children[0]
    return node if node.type == "call_expression" else None


def callee(call: Node) -> str:
    return text(call.named_children[0])


def inside(call: Node) -> Node:
    return next(child for child in call.children if child.type == "argument_list")


def arguments(call: Node, defining: bool = False) -> tuple[list[Node], set[str], bool]:
    """Of f(...): the positional arguments, the keywords, and whether a splat stands for more."""
    positional, keywords, splat, semicolon = [], set(), False, False
    for item in inside(call).children:
        semicolon = semicolon or item.type == ";"
        if not item.is_named or "comment" in item.type:
            continue
        if item.type == "splat_expression" or defining and item.type == "typed_expression" and "Vararg" in text(item):
            splat = True
        elif semicolon or item.type == "named_argument" and not defining:
            keywords.update(bound(item))
        else:
            positional.append(item)
    positional += [child for child in call.children if child.type == "do_clause"]
    return positional, keywords, splat


class File:
    def __init__(self, path: Path):
        self.path = path
        self.root = PARSER.parse(path.read_bytes()).root_node
        self.nodes = list(walk(self.root))
        self.signatures = [head for node in self.nodes if (head := signature(node)) is not None]
        heads = {head.id for head in self.signatures}
        self.calls = [node for node in self.nodes if node.type == "call_expression" and node.id not in heads]
        self.structs = [node for node in self.nodes if node.type == "struct_definition"]
        self.exports = [name for node in self.nodes if node.type == "export_statement" for name in map(text, node.named_children)]

    def syntax_errors(self) -> list[str]:
        return [f"{self.path.name} {place(node)}: syntax error" for node in self.nodes if node.type == "ERROR" or node.is_missing]

    def items(self) -> Iterator[Node]:
        """What stands at the top level, of a module too."""
        for child in self.root.named_children:
            yield from child.named_children[1:] if child.type == "module_definition" else [child]

    def globals(self) -> set[str]:
        names = {callee(head) for head in self.signatures}
        for node in self.nodes:
            if node.type in ("struct_definition", "abstract_definition"):
                names.add(first_name(node.named_children[0]))
            elif node.type == "const_statement":
                names.update(bound(node.named_children[0]) or [first_name(node)])
            elif node.type == "selected_import":
                names.update(map(text, node.named_children[1:]))
        return names | {name for item in self.items() if item.type == "assignment" for name in bound(item)}

    def handles(self) -> list[tuple[str, str]]:
        """Of structs that are declared as X <: Handle{C.laser_x}: X and laser_x."""
        heads = [text(struct.named_children[0]) for struct in self.structs]
        return [(head.split()[0], head.split("Handle{C.")[1].rstrip("}")) for head in heads if "<: Handle{C." in head]

    def methods(self) -> Iterator[tuple[str, int, float, set[str]]]:
        """Of each method: its name, the least and greatest number of positional arguments, the keywords."""
        for head in self.signatures:
            positional, keywords, splat = arguments(head, defining=True)
            least = sum(item.type != "named_argument" for item in positional)
            yield callee(head), least, math.inf if splat else len(positional), keywords
        for struct in self.structs:
            fields = [child for child in struct.named_children[1:] if bound(child)]
            if not any(signature(child) for child in struct.named_children[1:]):
                yield first_name(struct.named_children[0]), len(fields), len(fields), set()

    def item_of(self, node: Node) -> Node:
        while node.parent is not None and node.parent.type not in ("source_file", "module_definition"):
            node = node.parent
        return node

    def locals(self, item: Node, functions: bool = True) -> set[str]:
        """What is bound somewhere within: an approximation of scopes that finds names that are bound nowhere."""
        names = set()
        for node in walk(item):
            head = signature(node)
            if head is not None:
                names.update(bound(inside(head)), [callee(head)] if functions else [])
            elif node.type in ("assignment", "for_binding", "let_binding"):
                names.update(bound(node))
            elif node.type == "function_definition":  # without a name
                names.update(bound(node.named_children[0].named_children[0]))
            elif node.type in ("do_clause", "arrow_function_expression", "catch_clause") and node.named_children:
                names.update(bound(node.named_children[0]))
            elif node.type == "where_expression":
                names.update(text(child) for child in walk(node.named_children[1]) if child.type == "identifier")
            elif node.type in ("struct_definition", "abstract_definition", "const_statement"):
                names.update(text(child) for child in walk(node.named_children[0]) if child.type == "identifier")
                names.update(name for child in node.named_children[1:] for name in bound(child))  # fields
        return names

    def variables(self, node: Node) -> set[str]:
        return self.locals(self.item_of(node), functions=False)

    def types_of(self, argument: Node) -> set[str]:
        """What a variable is declared to be, x::T or x::Maybe{T}, or made by, x = T(...), in the function around it."""
        found = set()
        for node in walk(self.item_of(argument)):
            if len(node.named_children) > 1 and bound(node) == [text(argument)]:
                if node.type == "typed_expression":
                    found.add(text(node.named_children[1]).removeprefix("Maybe{").rstrip("}"))
                    found.add(text(node.named_children[1]))
                elif node.type == "assignment" and node.named_children[-1].type == "call_expression":
                    found.add(callee(node.named_children[-1]))
        return found

    @staticmethod
    def is_variable(node: Node) -> bool:
        """Whether an identifier stands for a value, not for a field, a keyword, a symbol or a part of a statement."""
        outer = node.parent
        if node.type != "identifier" or text(node) == "end":
            return False
        if outer.type == "field_expression":
            return outer.named_children[0] == node
        if outer.type in ("named_argument", "named_field"):
            return outer.named_children[0] != node
        return outer.type not in ("quote_expression", "macro_identifier", "prefixed_string_literal", "selected_import", "import_path",
                                  "using_statement", "export_statement", "module_definition")


def first_name(node: Node) -> str:
    return next(text(child) for child in walk(node) if child.type == "identifier")
