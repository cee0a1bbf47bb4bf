"""Lowering: nodes and sums of terms become steps.

A node of a known NumPy function becomes a call of it; a sum of terms becomes products of two factors
at a time, brought to the form that BLAS takes, along the path that ``arrays`` plans too.
"""

import keyword
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.arrays.exact import exact
from jacobians.arrays.factorised import factorise, lu_inverse, lu_solve
from jacobians.arrays.parallel import LARGE, parallel
from jacobians.arrays.plan import contraction_path
from jacobians.graph.node import NUMPY, Node, Operation, ordered
from jacobians.notation.slots import Slot, Table, positions
from jacobians.notation.structure import address_slot, count, injective, meet, pattern
from jacobians.notation.terms import Factor, Sum, Term, full_letter, letter_count
from jacobians.operations import elementwise, index_maps, products
from jacobians.operations.declare import Multilinear, Rule
from jacobians.optimising.solving import matrix_of
from jacobians.planning.steps import Ref, Step, called

Array = NDArray[Any]
Letters = tuple[int, ...]
_UFUNCS: dict[Operation, str] = {}
RESERVED = frozenset({
    "np", "out", "clean", "part", "derivative", "bind", "float", "parallel", "view",
    "factorise", "lu_solve", "lu_inverse", "exact",
})  # fmt: skip
"""Names in the source that no input or constant may have."""
_FIRST = 9  # of the variables' numbers: two digits each, so that short programs stand in columns


def ufunc_of(operation: Operation) -> str:
    """The name of the ufunc that an operation is, or an empty text."""
    if not _UFUNCS:
        for function, known in NUMPY.items():
            name = getattr(function, "__name__", "")
            if isinstance(function, np.ufunc) and getattr(np, name, None) is function:
                _UFUNCS.setdefault(known, name)
    found = _UFUNCS.get(operation, "")
    return "" if found in ("matmul", "vecdot", "matvec", "vecmat") else found


class Lowering:
    """Collects the steps of a program, the arrays that are constant, and the functions it calls."""

    def __init__(self, inputs: Mapping[Node, str]) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, Array] = {}
        self.functions: dict[str, Any] = {}
        self.names: dict[Node, str] = dict(inputs)
        self.shared: set[Node] = set()  # matrices with factors
        self.factors: dict[Node, str] = {}
        self.zeroed = ""  # the result, where it begins as zeros and is filled
        self.unset = ""  # one that begins as any numbers and is written whole
        self.taken = {*RESERVED, *inputs.values()}
        self._known: dict[Step, str] = {}  # without their targets
        self._converted: dict[tuple[str, Any], str] = {}

    # Names

    def fresh(self, prefix: str = "v") -> str:
        """A variable name that is not taken yet."""
        number = _FIRST + len(self.taken) - len(RESERVED)
        while f"{prefix}{number}" in self.taken:
            number += 1
        self.taken.add(f"{prefix}{number}")
        return f"{prefix}{number}"

    def step(
        self, code: str, reads: Iterable[str], shape: Sequence[int], dtype: Any, **facts: Any
    ) -> str:
        """Add a step that assigns a new variable, if none computes the same already; its name."""
        names = tuple(r for r in dict.fromkeys(reads) if r)
        step = Step("", code, names, tuple(shape), np.dtype(dtype), **facts)
        if names and step in self._known:  # one that reads nothing is an array to be filled
            return self._known[step]
        name = self._known[step] = self.fresh()
        if "ufunc" in facts and step.size >= LARGE:
            self.functions["parallel"] = parallel
        self.steps.append(step._replace(target=name))
        return name

    def constant(self, value: Any, name: str = "") -> str:
        """The name of an array that is the same in every call."""
        if type(value) in (int, float):
            return _literal(value)
        wanted = name if name.isidentifier() and name not in self.taken else self.fresh("c")
        self.taken.add(wanted)
        self.constants[wanted] = np.asarray(value)
        return wanted

    # Nodes

    def share(self, nodes: Iterable[Node]) -> None:
        """Have matrices that several of the nodes solve with or invert factorised once."""
        matrices = Counter(found[0] for node in nodes if (found := matrix_of(node)) is not None)
        self.shared = {matrix for matrix, count in matrices.items() if count > 1}

    def _solved(self, node: Node, names: list[str]) -> str | None:
        """A solution or an inverse by shared factors; None where the node is not that."""
        found = matrix_of(node)
        if found is None or found[0] not in self.shared:
            return None
        matrix, transposed = found
        factors = self.factors.get(matrix)
        n = matrix.shape[0]
        if factors is None:
            name = self.names[matrix]
            self.functions["factorise"] = factorise
            factors = self.step(
                f"factorise({name})",
                (name,),
                matrix.shape,
                node.dtype,
                view=True,
                flops=2 * n**3 // 3,
            )
            self.factors[matrix] = factors
        if len(names) == 1:
            self.functions["lu_inverse"] = lu_inverse
            text = f"lu_inverse({factors}){'.T' if transposed else ''}"
            return self.step(text, (factors,), node.shape, node.dtype, flops=4 * n**3 // 3)
        self.functions["lu_solve"] = lu_solve
        text = f"lu_solve({factors}, {names[1]}{', True' if transposed else ''})"
        flops = 2 * n * prod(node.shape)
        return self.step(text, (factors, names[1]), node.shape, node.dtype, flops=flops)

    def need(self, nodes: Iterable[Node]) -> None:
        """Make steps for nodes and what they depend on."""
        for node in ordered(nodes, self.names):
            self.names[node] = self._lowered(node)

    def _lowered(self, node: Node) -> str:
        operation = node.operation
        if operation is None:
            return self.constant(node.value, node.name)
        names = [self.names[operand] for operand in node.operands]
        if all(
            name in self.constants or operand.value is not None
            for name, operand in zip(names, node.operands, strict=True)
        ):
            arrays = [
                self.constants.get(n, o.value) for n, o in zip(names, node.operands, strict=True)
            ]
            with np.errstate(all="ignore"):
                return self.constant(operation.evaluate(arrays, dict(node.parameters)))
        return self._call(node, operation, names)

    def _call(self, node: Node, operation: Operation, names: list[str]) -> str:
        reads = [n for n in names if n in self.taken]
        parameters = dict(node.parameters)
        solved = self._solved(node, names)
        if solved is not None:
            return solved
        ufunc = ufunc_of(operation)
        if (
            operation is elementwise.power
            and node.operands[1].value == 2
            and node.operands[1].shape == ()
        ):
            ufunc, names, reads = "square", names[:1], reads[:1]
        if ufunc:
            code = ", ".join(names)
            return self.step(
                code, reads, node.shape, node.dtype, ufunc=ufunc, flops=prod(node.shape)
            )
        first = names[0] if names else ""
        views = {
            index_maps.reshape: lambda: f"{first}.reshape({node.shape})",
            index_maps.permute: lambda: f"{first}.transpose({parameters['axes']})",
            products.transpose: lambda: f"{first}.T",
            index_maps.slices: lambda: f"{first}[{_slices(node)}]",
            index_maps.broadcast: lambda: f"np.broadcast_to({first}, {node.shape})",
        }
        if operation in views:
            return self.step(views[operation](), reads, node.shape, node.dtype, view=True)
        if operation is products.total_sum:
            return self.step(
                f"np.add.reduce({first}, None)",
                reads,
                (),
                node.dtype,
                flops=prod(node.operands[0].shape),
            )
        if operation is index_maps.add_up:
            code = f"np.add.reduce({first}, {parameters['axes']})"
            return self.step(
                code, reads, node.shape, node.dtype, flops=prod(node.operands[0].shape)
            )
        literal = all(_is_literal(value) for value in parameters.values())
        by_terms = not literal or _is_product(node)
        if isinstance(operation, Multilinear) and (not operation.named or by_terms):
            shapes = tuple(operand.shape for operand in node.operands)
            tensor = operation.structure(shapes, node.parameters)
            operands = dict(enumerate(zip(names, node.operands, strict=True)))
            return self.tensor(tensor, operands, node.dtype)
        assert isinstance(operation, Multilinear | Rule)
        function = operation.key if operation.key.isidentifier() else "operation"
        while function in self.taken or keyword.iskeyword(function):
            function += "_"
        self.functions[function] = operation.function
        given = [f"{key}={_literal(value)}" for key, value in parameters.items()]
        code = f"{function}({', '.join([*names, *given])})"
        return self.step(code, reads, node.shape, node.dtype, view=True, flops=prod(node.shape))

    # Sums of terms

    def tensor(
        self,
        tensor: Sum,
        operands: Mapping[Any, tuple[str, Node]],
        dtype: Any,
        *,
        reused: bool = False,
    ) -> str:
        """Steps for a sum of terms; the name of its value, a new array (or, later, ``out``)."""
        wide = _common(tensor, operands, np.dtype(dtype))
        if wide != dtype:
            name = self.tensor(tensor, operands, wide)
            return self.step(f"{name}.astype({_type(dtype)})", (name,), tensor.shape, dtype)
        if tensor.terms and all(_is_whole(term, tensor.shape) for term in tensor.terms):
            values = [self.term(term, operands, dtype) for term in tensor.terms]
            total, *rest = [self.aligned(v, range(len(tensor.shape))) for v in values]
            if not rest:
                return self.named(total, tensor.shape, dtype)
            for other in rest:
                name = self.step(
                    f"{total.text}, {other.text}", (total.root, other.root), tensor.shape, dtype,
                    ufunc="add", flops=prod(tensor.shape),
                )  # fmt: skip
                total = Ref(name, name, tuple(range(len(tensor.shape))))
            return total.text
        whole = any(_fills(term, tensor.shape) for term in tensor.terms)
        make = "empty" if whole else "zeros"  # a term that fills it is stored first
        text = f"np.{make}({tensor.shape}, {_type(dtype)})"
        name = self.step(text, (), tensor.shape, dtype)
        self.fill(tensor, operands, dtype, name, reused=reused)
        if reused and whole:
            self.unset = name
        elif reused:
            self.zeroed = name
        return name

    def fill(
        self,
        tensor: Sum,
        operands: Mapping[Any, tuple[str, Node]],
        dtype: Any,
        out: str,
        *,
        reused: bool,
    ) -> None:
        """Write the terms into an array of zeros, or one that an earlier call has written."""
        # One that fills the tensor goes first, then the widest. A term is stored where no earlier
        # one has written, else added; what is added to must hold 0, also in an array that still has
        # an earlier call's numbers.
        terms = sorted(
            tensor.terms,
            key=lambda t: (not _fills(t, tensor.shape), -letter_count(t.sizes, t.kept)),
        )
        stored = [_writes_alone(n, terms) for n in range(len(terms))]
        places = [self._place(term, tensor.shape, out) for term in terms]
        for n, (text, is_view) in enumerate(places):
            if reused and not stored[n] and not _covered(n, terms, tensor.shape):
                clear = f"np.copyto({text}, 0)" if is_view else f"{text} = 0"
                self.steps.append(Step("", f"if clean: {clear}", (out,), (), np.dtype(float)))
        for term, alone, (place, is_view) in zip(terms, stored, places, strict=True):
            found = self.term(term, operands, dtype)
            letters = tuple(sorted(term.kept))
            value = found if not found.letters else self.aligned(found, letters)
            self._store(term, value, place, is_view, out, first=alone)

    def _place(self, term: Term, shape: Sequence[int], out: str) -> tuple[str, bool]:
        letters = sorted(term.kept)
        if _fills(term, shape):
            return out, True
        if all(slot.affine for slot in term.slots) and injective(term):
            flat = address_slot(term, [prod(shape[axis + 1 :]) for axis in range(len(shape))])
            steps = dict(flat.parts)
            self.functions["view"] = view
            arguments = (
                tuple(term.sizes[a] for a in letters),
                flat.constant,
                tuple(steps[a] for a in letters),
            )
            return f"view({out}, {', '.join(map(repr, arguments))})", True
        index = [self.constant(positions(slot, term.sizes, letters)) for slot in term.slots]
        return f"{out}[{', '.join(index)}]", False

    def _store(
        self, term: Term, value: Ref, place: str, is_view: bool, out: str, *, first: bool
    ) -> None:
        size = letter_count(term.sizes, term.kept)
        text = value.text or _literal(term.coefficient)
        reads = tuple(r for r in (value.root, out) if r)
        once = is_view or injective(term)
        last = self.steps[-1] if self.steps else None
        if first and is_view and last is not None and last.ufunc and last.target == value.text:
            # The product is computed straight into its place, and has no name.
            self._known.pop(last._replace(target=""), None)
            code = f"{called(last.ufunc, last.size)}{last.code}, out={place})"
            self.steps[-1] = last._replace(target="", ufunc="", code=code, reads=(*last.reads, out))
            return
        if not once:
            inside = place[len(out) + 1 : -1]
            code = f"np.add.at({out}, ({inside},), {text})"
        elif first and is_view and size >= LARGE:
            self.functions["parallel"] = parallel
            code = f"parallel(np.positive, {text}, out={place})"
        elif first:
            code = f"{place} = {text}" if not is_view else f"np.copyto({place}, {text})"
        elif is_view:
            code = f"part = {place}; part += {text}"
        else:
            code = f"{place} += {text}"
        self.steps.append(Step("", code, reads, (), np.dtype(float), flops=0 if first else size))

    def term(self, term: Term, operands: Mapping[Any, tuple[str, Node]], dtype: Any) -> Ref:
        """The product of a term's factors over its kept letters; an empty text if it has none."""
        if not term.factors:
            return Ref("", "")
        sizes, kept = term.sizes, term.kept
        refs: list[Ref] = []
        late: list[Ref] = []
        masks: list[Ref] = []
        early: list[Ref] = []
        for factor in term.factors:
            name, node = operands[factor.operand]
            if not factor.mask:
                name = self.converted(name, node, np.dtype(dtype))
            ref = self.read(factor, sizes, name, node.shape, dtype)
            (masks if factor.mask else refs).append(ref)
        read = list(refs)
        for mask in masks:
            # A mask is applied by selection, once nothing but its own letters' sums is left.
            if set(mask.letters) <= kept and refs:
                late.append(mask)
            else:
                self._select_early(mask, refs, sizes, dtype)
                early.append(mask)
        refs = self._scaled(refs, term.coefficient, sizes, dtype)
        for n, own in enumerate(refs):
            others = kept.union(*(r.letters for m, r in enumerate(refs) if m != n))
            away = tuple(p for p, a in enumerate(own.letters) if a not in others)
            if away:
                left = tuple(a for a in own.letters if a in others)
                shape = [sizes[a] for a in left]
                axes = away[0] if len(away) == 1 else away
                name = self.step(
                    f"np.add.reduce({own.text}, {axes})", (own.root,), shape, dtype,
                    flops=letter_count(sizes, own.letters),
                )  # fmt: skip
                refs[n] = Ref(name, name, left)
        for n, m in contraction_path([r.letters for r in refs], kept, sizes):
            right, left_ref = refs.pop(max(n, m)), refs.pop(min(n, m))
            keep = kept.union(*(r.letters for r in refs))
            wanted = tuple(sorted(kept)) if not refs else ()
            refs.append(self.product(left_ref, right, keep, sizes, dtype, wanted, kept))
        (value,) = refs
        if early:
            value = self._exact(value, term.coefficient, early, read, sizes, dtype)
        for mask in late:
            value = self._selected(mask, value, sizes, dtype)
        return value

    def _exact(
        self, value: Ref, coefficient: int | float, masks: Sequence[Ref], read: Sequence[Ref],
        sizes: Sequence[int], dtype: Any,
    ) -> Ref:  # fmt: skip
        """The value, made again by selection where it is not finite."""
        self.functions["exact"] = exact

        def lettered(ref: Ref) -> str:
            return f"({ref.text}, {''.join(map(chr, (97 + a for a in ref.letters)))!r})"

        letters = "".join(chr(97 + a) for a in value.letters)
        code = (
            f"exact({value.text}, {letters!r}, {_literal(coefficient)}, "
            f"[{', '.join(map(lettered, masks))}], [{', '.join(map(lettered, read))}])"
        )
        reads = [value.root, *(ref.root for ref in (*masks, *read))]
        name = self.step(code, reads, [sizes[a] for a in value.letters], dtype, view=True)
        return Ref(name, name, value.letters)

    def _select_early(self, mask: Ref, refs: list[Ref], sizes: Sequence[int], dtype: Any) -> None:
        hosts = [n for n, r in enumerate(refs) if set(mask.letters) <= set(r.letters)]
        if hosts:
            # In all that are no larger than the mask: any of them may be infinite where it is false.
            least = min(letter_count(sizes, refs[n].letters) for n in hosts)
            for n in hosts:
                if letter_count(sizes, refs[n].letters) == least:
                    refs[n] = self._selected(mask, refs[n], sizes, dtype)
        else:
            shape = [sizes[a] for a in mask.letters]
            name = self.step(f"{mask.text}.astype({_type(dtype)})", (mask.root,), shape, dtype)
            refs.append(Ref(name, name, mask.letters))

    def _selected(self, mask: Ref, value: Ref, sizes: Sequence[int], dtype: Any) -> Ref:
        letters = (*value.letters, *(a for a in mask.letters if a not in value.letters))
        shape = [sizes[a] for a in letters]
        chosen, kept = self.aligned(mask, letters), self.aligned(value, letters)
        name = self.step(
            f"np.where({chosen.text}, {kept.text}, 0)", (mask.root, value.root), shape, dtype
        )
        return Ref(name, name, letters)

    def _scaled(
        self, refs: list[Ref], coefficient: int | float, sizes: Sequence[int], dtype: Any
    ) -> list[Ref]:
        """The coefficient goes to the smallest factor."""
        if coefficient == 1 or not refs:
            return refs
        n = min(range(len(refs)), key=lambda n: letter_count(sizes, refs[n].letters))
        ref = refs[n]
        shape = [sizes[a] for a in ref.letters]
        code, ufunc = (
            (ref.text, "negative")
            if coefficient == -1
            else (f"{ref.text}, {_literal(coefficient)}", "multiply")
        )
        name = self.step(code, (ref.root,), shape, dtype, ufunc=ufunc, flops=prod(shape))
        return [*refs[:n], Ref(name, name, ref.letters), *refs[n + 1 :]]

    def converted(self, name: str, node: Node, dtype: np.dtype[Any]) -> str:
        """An array in its sum's dtype: integers would overflow, and booleans multiply as logic."""
        if node.dtype == dtype or dtype.kind != "f" or name not in self.taken:
            return name
        found = self._converted.get((name, dtype))
        if found is None:
            if name in self.constants:
                found = self.constant(self.constants[name].astype(dtype))
            else:
                found = self.step(f"{name}.astype({_type(dtype)})", (name,), node.shape, dtype)
            self._converted[name, dtype] = found
        return found

    def read(
        self, factor: Factor, sizes: Sequence[int], name: str, shape: tuple[int, ...], dtype: Any
    ) -> Ref:
        """An operand at slots."""
        full = [full_letter(s, sizes, n) for s, n in zip(factor.slots, shape, strict=True)]
        root = name if name in self.taken else ""
        if None not in full and len(set(full)) == len(full):
            return Ref(name, root, tuple(a for a in full if a is not None))
        alone = [a for slot in factor.slots for a in slot.letters]
        simple = len(set(alone)) == len(alone) and all(
            s.affine and len(s.parts) <= 1 for s in factor.slots
        )
        if simple:
            text = f"{name}[{', '.join(_read_slot(s, sizes) for s in factor.slots)}]"
            return Ref(text, root, tuple(alone))
        letters = tuple(dict.fromkeys(alone))
        index = [self.constant(positions(s, sizes, letters)) for s in factor.slots]
        view_name = self.step(
            f"{name}[{', '.join(index)}]", (root,), [sizes[a] for a in letters], dtype
        )
        return Ref(view_name, view_name, letters)

    # Products of two

    def aligned(self, ref: Ref, wanted: Iterable[int]) -> Ref:
        """The same array with its axes in another order; letters it lacks become axes of 1."""
        wanted = tuple(wanted)
        present = [a for a in wanted if a in ref.letters]
        order = [ref.letters.index(a) for a in present]
        text = ref.text
        if order != sorted(order):
            text += ".T" if order == [1, 0] else f".transpose({tuple(order)})"
        while wanted and wanted[0] not in ref.letters and ref.letters:
            wanted = wanted[1:]  # leading axes broadcast by themselves
        if len(present) != len(wanted) and present:
            text += f"[{', '.join(':' if a in ref.letters else 'None' for a in wanted)}]"
        return Ref(text, ref.root, wanted)

    def product(
        self, left: Ref, right: Ref, keep: Collection[int], sizes: Sequence[int], dtype: Any,
        wanted: Letters, final: Collection[int],
    ) -> Ref:  # fmt: skip
        """The product of two arrays, summed over the letters that are not kept.

        ``wanted`` is the order of the result's letters; where it is left open, what is ``final`` comes
        first, and what the next product sums stands last, as BLAS likes it.
        """
        both = [a for a in left.letters if a in right.letters]
        summed = [a for a in both if a not in keep]
        batch = [a for a in both if a in keep]
        only_left = [a for a in left.letters if a not in right.letters]
        only_right = [a for a in right.letters if a not in left.letters]
        everything = {*left.letters, *right.letters}
        work = letter_count(sizes, everything)
        roots = (left.root, right.root)
        if not summed:
            result = tuple(a for a in wanted if a in everything)
            if len(result) != len(everything):
                result = tuple(sorted(everything, key=lambda a: (a not in final, a)))
            return self._outer(left, right, result, sizes, dtype)
        if wanted and only_left and only_right:
            place = {a: n for n, a in enumerate(wanted)}
            if place.get(only_left[0], 0) > place.get(only_right[0], 0):
                return self.product(right, left, keep, sizes, dtype, (), final)
        result = (*batch, *only_left, *only_right)
        shape = [sizes[a] for a in result]
        if not batch and len(only_left) <= 1 and len(only_right) <= 1 and len(summed) == 1:
            x = self.aligned(left, (*only_left, *summed))
            y = self.aligned(right, (*summed, *only_right))
            code = f"{x.text}.dot({y.text})"
            if not only_left and only_right:
                code = f"{left.text}.dot({y.text})"
        else:
            groups = (only_left, summed, only_right)
            x_text = self._grouped(left, [batch, only_left, summed], sizes)
            y_text = self._grouped(right, [batch, summed, only_right], sizes)
            code = f"np.matmul({x_text}, {y_text})"
            if any(len(g) != 1 for g in groups) or len(batch) > 1:
                code += f".reshape({tuple(shape)})"
        into = "reshape" not in code[-9 - len(str(tuple(shape))) :]
        name = self.step(code, roots, shape, dtype, flops=2 * work, into=into)
        return Ref(name, name, result)

    def _outer(
        self, left: Ref, right: Ref, result: Letters, sizes: Sequence[int], dtype: Any
    ) -> Ref:
        """The product of two arrays, nothing summed."""
        shape = tuple(sizes[a] for a in result)
        size = prod(shape)
        tail = _tail((left, right), result, sizes)
        vectors = len(left.letters) == len(right.letters) == 1 and len(result) == 2
        if vectors and _BY_DOT[0] <= size < _BY_DOT[1]:
            x, y = (left, right) if left.letters[0] == result[0] else (right, left)
            name = self.step(
                f"{x.text}[:, None].dot({y.text}[None])", (x.root, y.root), shape, dtype,
                flops=size, into=True,
            )  # fmt: skip
            return Ref(name, name, result)
        if not tail:
            x, y = self.aligned(left, result), self.aligned(right, result)
            name = self.step(
                f"{x.text}, {y.text}", (x.root, y.root), shape, dtype, ufunc="multiply", flops=size
            )
            return Ref(name, name, result)
        x, y = (self._repeated(ref, result, tail, sizes, dtype) for ref in (left, right))
        name = self.step(f"np.empty({shape}, {_type(dtype)})", (), shape, dtype)
        self.unset = name
        place = f"{name}.reshape({(*shape[:-tail], prod(shape[-tail:]))})"
        if size >= LARGE:
            self.functions["parallel"] = parallel
        code = f"{called('multiply', size)}{x.text}, {y.text}, out={place})"
        self.steps.append(
            Step("", code, (x.root, y.root, name), shape, np.dtype(dtype), flops=size)
        )
        return Ref(name, name, result)

    def _repeated(
        self, ref: Ref, result: Letters, tail: int, sizes: Sequence[int], dtype: Any
    ) -> Ref:
        """The array with the last ``tail`` letters of the result as one axis, repeated along it."""
        lead, last = result[:-tail], result[-tail:]
        if not set(last) & set(ref.letters):
            return self.aligned(ref, (*lead, -1))
        own = tuple(a for a in lead if a in ref.letters)
        full = [sizes[a] for a in (*own, *last)]
        shape = [*(sizes[a] for a in own), letter_count(sizes, last)]
        text = self.aligned(ref, (*own, *last)).text
        whole = set(last) <= set(ref.letters)
        if not whole:
            text = f"np.broadcast_to({text}, {tuple(full)})"
        code = f"{text}.reshape({tuple(shape)})"
        name = self.step(code, (ref.root,), shape, dtype, view=whole)
        return self.aligned(Ref(name, name, (*own, -1)), (*lead, -1))

    def _grouped(self, ref: Ref, groups: Sequence[Sequence[int]], sizes: Sequence[int]) -> str:
        """One axis per group; an empty batch has none."""
        batch, *rest = groups
        text = self.aligned(ref, [a for group in groups for a in group]).text
        if all(len(group) == 1 for group in rest) and len(batch) <= 1:
            return text
        shape = [letter_count(sizes, g) for g in ([batch, *rest] if batch else rest)]
        return f"{text}.reshape({tuple(shape)})"

    def named(self, ref: Ref, shape: Sequence[int], dtype: Any) -> str:
        """A variable for a reference that is a view."""
        if ref.text == ref.root:
            return ref.text
        return self.step(ref.text, (ref.root,), shape, dtype, view=True)


_BY_DOT = (1 << 12, 1 << 19)  # entries of an outer product that BLAS makes quicker than a ufunc
_SHORT = 512  # entries: where the innermost loop is shorter, its overhead shows


def _tail(refs: Sequence[Ref], result: Letters, sizes: Sequence[int]) -> int:
    """How many of the last letters to make one axis by repeating small operands; 0 for none.

    NumPy itself joins axes along which an operand either runs or stands still as a whole.
    """
    total = letter_count(sizes, result)
    there = [tuple(a in ref.letters for ref in refs) for a in result]
    tail, run, joined = 0, 1, True
    while run < _SHORT and tail < len(result):
        tail += 1
        run *= sizes[result[-tail]]
        joined = joined and there[-tail] == there[-1]
    grown = (letter_count(sizes, {*ref.letters, *result[-tail:]}) for ref in refs)
    if joined or tail == len(result) or any(8 * size > total for size in grown):
        return 0
    return tail


def _writes_alone(n: int, terms: Sequence[Term]) -> bool:
    """Whether a term writes each of its positions once, and none that an earlier term writes."""
    own = pattern(terms[n])
    once = injective(terms[n])
    return once and all(meet(own, pattern(other)) is None for other in terms[:n])


def _covered(n: int, terms: Sequence[Term], shape: Sequence[int]) -> bool:
    """Whether the first term, which is stored, writes all positions of this one."""
    if n == 0 or not injective(terms[0]):
        return False
    both = meet(pattern(terms[n]), pattern(terms[0]))
    return both is not None and count(both, shape) == count(pattern(terms[n]), shape)


def view(out: Array, shape: tuple[int, ...], start: int, steps: tuple[int, ...]) -> Array:
    """A part of a contiguous array as a writable view; start and steps count entries."""
    item = out.itemsize
    return np.ndarray(shape, out.dtype, out, start * item, [step * item for step in steps])


def _fills(term: Term, shape: Sequence[int]) -> bool:
    """Whether a term writes every entry once, its letters being the axes in order."""
    count = len(shape)
    return term.slots == tuple(Slot(0, ((a, 1),)) for a in range(count)) and (
        term.sizes[:count] == tuple(shape)
    )


def _common(
    tensor: Sum, operands: Mapping[Any, tuple[str, Node]], dtype: np.dtype[Any]
) -> np.dtype[Any]:
    """The dtype to compute in: the result's, or a wider one that a factor has."""
    if dtype.kind != "f":
        return dtype
    nodes = [operands[operand][1] for operand in tensor.operands]
    given = [n.dtype for n in nodes if n.dtype.kind == "f" and type(n.value) is not float]
    return np.result_type(dtype, *given)


def _is_whole(term: Term, shape: Sequence[int]) -> bool:
    """Whether a term's value, letters in order, is the tensor."""
    count = len(shape)
    return (
        bool(term.factors)
        and _fills(term, shape)
        and {a for f in term.factors for a in f.letters} >= set(range(count))
    )


def _is_product(node: Node) -> bool:
    """Products that steps do better than a call: two operands, no axes that broadcast."""
    return len(node.operands) == 2 and node.operation in (
        products.matmul, products.matvec, products.inner, products.outer,
    )  # fmt: skip


def _is_literal(value: Any) -> bool:
    """Whether a parameter can stand in source text."""
    if type(value) is tuple:
        return all(_is_literal(part) for part in value)
    return value is None or type(value) in (bool, int, float, str)


def _literal(value: Any) -> str:
    """A parameter or a coefficient as source text."""
    if type(value) is tuple:
        return f"({''.join(f'{_literal(part)}, ' for part in value).strip()})"
    if isinstance(value, float):
        return repr(float(value)) if np.isfinite(value) else f"float({str(value)!r})"
    return repr(value)


def _read_slot(slot: Slot, sizes: Sequence[int]) -> str:
    if not slot.parts:
        return str(slot.constant)
    ((letter, stride),) = slot.parts
    assert not isinstance(stride, Table)
    return _slice_text(slot.constant, stride, sizes[letter])


def _slices(node: Node) -> str:
    parameters = dict(node.parameters)
    triples = zip(parameters["starts"], parameters["steps"], parameters["shape"], strict=True)
    return ", ".join(_slice_text(*triple) for triple in triples)


def _slice_text(start: int, step: int, size: int) -> str:
    if size == 0:
        return "0:0"
    stop = start + step * (size - 1) + (1 if step > 0 else -1)
    end = "" if stop < 0 else str(stop)
    return f"{start or ''}:{end}" + ("" if step == 1 else f":{step}")


def _type(dtype: Any) -> str:
    return f"np.{np.dtype(dtype).name}"
