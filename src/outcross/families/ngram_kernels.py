"""Compiled kernels of the n-gram family: a trie of grams in arrays, interpolated Kneser-Ney, three ways to decode.

Nodes are grams. Node v < V is the word v alone, node V the beginning of a row; grams of two words follow, then of
three, each length sorted by context, then by last word, so the children of a node (the grams it is the context of) are
contiguous. Of each node there is its last word `token`, its `suffix` (the gram without its first word), its `count`
and where its children `start`.

Kneser and Ney 1995; Chen and Goodman 1999, section 2.7 (interpolated, one discount a length).
"""

from __future__ import annotations

import numpy as np

from outcross.core.compiled import compiled, uniform_pairs

MOST = 5  # words of the longest gram
_PAIRS = 64  # pairs of random numbers that are made at once
_UNIFORMS = np.uint64(1)


# ---- counting ----


@compiled
def _by_key(order, key, size):
    """Positions `order` sorted by key[position] in 0 .. size - 1, ties in their order; negative keys are left out."""
    edges = np.zeros(size + 1, np.int64)
    for p in order:
        if key[p] >= 0:
            edges[key[p] + 1] += 1
    for k in range(size):
        edges[k + 1] += edges[k]
    out = np.empty(edges[size], np.int64)
    for p in order:
        if key[p] >= 0:
            out[edges[key[p]]] = p
            edges[key[p]] += 1
    return out


@compiled
def _contexts(gram, length, block, vocabulary):
    """The context of each position's gram of `length` words: the gram before it in its row, -1 where there is none."""
    context = np.full(len(gram), -1, np.int32)
    for p in range(len(gram)):
        within = p % block
        if within > 0:
            context[p] = gram[p - 1]
        elif length == 2:
            context[p] = vocabulary
    return context


@compiled
def _distinct(order, context, words, gram, first, block, question):
    """Give each different (context, word) a node from `first` on; returns a position and the count of each node.

    What ends within the first `question` words of a row of `block` is a context, and not counted.
    """
    at, count = np.empty(len(order), np.int64), np.zeros(len(order), np.int32)
    n = -1
    for k in range(len(order)):
        p = order[k]
        if k == 0 or context[p] != context[order[k - 1]] or words[p] != words[order[k - 1]]:
            n += 1
            at[n] = p
        count[n] += p % block >= question
        gram[p] = first + n
    return at[: n + 1].copy(), count[: n + 1].copy()


@compiled
def trie(rows, vocabulary, longest, question):
    """Count all grams of up to `longest` words in rows (n, block): token, suffix, count, start, level.

    level[k]: the first node of k + 1 words; level[longest]: the number of nodes. Counts of the longest grams, and of
    those that begin a row, are how often they occur; of the others, how many different words stand before them. The
    first `question` words of a row are contexts only: a gram that ends nowhere else has a node with a count of 0.
    """
    words = rows.ravel()
    block, n = rows.shape[1], rows.size
    level = np.zeros(longest + 1, np.int64)
    level[1] = vocabulary + 1
    token, suffix, count = [np.arange(vocabulary + 1).astype(np.int32)], [np.full(vocabulary + 1, -1, np.int32)], []
    start, opens = [], np.zeros(vocabulary + 1, np.bool_)  # whether a gram begins with the beginning of a row
    opens[vocabulary] = True
    seen = np.zeros(vocabulary + 1, np.int32)
    for p in range(n):
        seen[words[p]] += p % block >= question
    count.append(seen)
    by_word = _by_key(np.arange(n), words, vocabulary)
    gram = words.copy()
    for length in range(2, longest + 1):
        context = _contexts(gram, length, block, vocabulary)
        shorter = gram
        gram = np.full(n, -1, np.int32)
        order = _by_key(by_word, context, level[length - 1])
        at, seen = _distinct(order, context, words, gram, np.int32(level[length - 1]), block, question)
        size, first, below = len(at), level[length - 2], level[length - 1]
        level[length] = below + size
        token.append(words[at])
        suffix.append(shorter[at])
        edges = np.zeros(below - first + 1, np.int64)  # children of each node of the length before
        begins = np.empty(size, np.bool_)
        for k in range(size):
            parent = context[at[k]] - first
            edges[parent + 1] += 1
            begins[k] = opens[parent]
        for k in range(below - first):
            edges[k + 1] += edges[k]
        start.append((below + edges[:-1]).astype(np.int32))
        fewer = count[length - 2]
        for k in range(below - first):
            if not opens[k]:
                fewer[k] = 0
        for k in range(size):  # what follows the first word of a gram never begins a row
            fewer[shorter[at[k]] - first] += seen[k] > 0
        count.append(seen)
        opens = begins
    return _joined(token), _joined(suffix), _joined(count), _ends(start, level, longest), level


@compiled
def _joined(parts):
    total = 0
    for part in parts:
        total += len(part)
    out, k = np.empty(total, np.int32), 0
    for part in parts:
        out[k : k + len(part)] = part
        k += len(part)
    return out


@compiled
def _ends(start, level, longest):
    """Where the children of each node begin; those of the longest grams, which have none, at the end."""
    out, k = np.full(level[longest] + 1, level[longest], np.int32), 0
    for part in start:
        out[k : k + len(part)] = part
        k += len(part)
    return out


# ---- probabilities ----


@compiled
def discounts(count, level, longest, vocabulary):
    """The absolute discount of each length, n1 / (n1 + 2 n2) (Ney, Essen, Kneser 1994), kept within 0.1 and 0.9."""
    out = np.empty(longest)
    for k in range(longest):
        once, twice = 0, 0
        for v in range(level[k], level[k + 1]):
            once += count[v] == 1
            twice += count[v] == 2
        out[k] = min(max(once / max(once + 2.0 * twice, 1.0), 0.1), 0.9)
    return out


@compiled
def smooth(suffix, count, start, level, discount, vocabulary):
    """Probability of each node given its context, what each context leaves to its suffix, counts added up.

    mass[v + 1] - mass[v] is the count of v; the words that the context h has not seen share left[h] of it.
    """
    n = len(count)
    mass = np.zeros(n + 1, np.int64)
    for v in range(n):
        mass[v + 1] = mass[v] + (0 if v == vocabulary else count[v])
    chance, left = np.zeros(n), np.ones(n)
    whole, kinds = mass[vocabulary], 0
    for v in range(vocabulary):
        kinds += count[v] > 0
    base = discount[0] * kinds / whole / vocabulary
    for v in range(vocabulary):
        chance[v] = max(count[v] - discount[0], 0.0) / whole + base
    for k in range(1, len(discount)):
        for h in range(level[k - 1], level[k]):
            first, last = start[h], start[h + 1]
            if first == last:
                continue
            whole, kinds = mass[last] - mass[first], 0
            for v in range(first, last):
                kinds += count[v] > 0
            left[h] = discount[k] * kinds / whole if whole > 0 else 1.0
            for v in range(first, last):
                own = (count[v] - discount[k]) / whole if count[v] > 0 else 0.0
                chance[v] = own + left[h] * chance[suffix[v]]
    return chance, left, mass


@compiled
def _child(token, start, h, word):
    """The node of the gram h with a word behind it, -1 where it was never seen."""
    low, high = start[h], start[h + 1]
    last = high
    while low < high:
        middle = (low + high) >> 1
        if token[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < last and token[low] == word else -1


@compiled
def _begin(context, vocabulary):
    """The contexts of a row's first word: its beginning. context[k]: the gram of the k + 1 words before, or -1."""
    context[:] = -1
    if len(context):
        context[0] = vocabulary


@compiled
def _advance(context, token, start, word):
    """The contexts after one more word."""
    for k in range(len(context) - 1, 0, -1):
        context[k] = -1 if context[k - 1] < 0 else _child(token, start, context[k - 1], word)
    if len(context):
        context[0] = word


@compiled
def _chance(context, token, start, chance, left, word):
    """Probability of a word in its contexts."""
    kept = 1.0
    for k in range(len(context) - 1, -1, -1):
        h = context[k]
        if h < 0 or start[h] == start[h + 1]:
            continue
        v = _child(token, start, h, word)
        if v >= 0:
            return kept * chance[v]
        kept *= left[h]
    return kept * chance[word]


@compiled
def surprisal(rows, token, start, chance, left, longest, vocabulary):
    """- log p of each word of a row but the first, given those before it, nats (n, block - 1)."""
    n, block = rows.shape
    out = np.empty((n, block - 1))
    context = np.empty(longest - 1, np.int32)
    for r in range(n):
        _begin(context, vocabulary)
        for j in range(block):
            word = rows[r, j]
            if j > 0:
                out[r, j - 1] = -np.log(_chance(context, token, start, chance, left, word))
            _advance(context, token, start, word)
    return out


# ---- drawing ----


@compiled
def _pick(mass, first, last, u):
    """The node of first .. last - 1 in which the share u of their counts falls."""
    goal = mass[first] + min(np.int64(u * (mass[last] - mass[first])), mass[last] - mass[first] - 1)
    low, high = first, last
    while high - low > 1:
        middle = (low + high) >> 1
        if mass[middle] <= goal:
            low = middle
        else:
            high = middle
    return low


@compiled
def _next(u, at, first, words):
    """The next random number of a row: refills the buffer u (2, pairs) when it is used up. at: how many were used."""
    k = at[0] % (2 * _PAIRS)
    if k == 0:
        uniform_pairs(u[0], u[1], first + np.uint64(at[0] // 2), _UNIFORMS, words, _PAIRS)
    at[0] += 1
    return u[k % 2, k // 2]


@compiled
def _draw(context, token, count, start, mass, discount, vocabulary, u, at, first, words):
    """A word from its contexts: of a seen one with chance (c - D) / c(h), else from the shorter context, and so on."""
    for k in range(len(context) - 1, -1, -1):
        h = context[k]
        if h < 0 or start[h] == start[h + 1]:
            continue
        if mass[start[h]] == mass[start[h + 1]]:  # of a question alone
            continue
        v = _pick(mass, start[h], start[h + 1], _next(u, at, first, words))
        if _next(u, at, first, words) * count[v] >= discount[k + 1]:
            return token[v]
    v = _pick(mass, 0, vocabulary, _next(u, at, first, words))
    if _next(u, at, first, words) * count[v] >= discount[0]:
        return v
    return np.int32(min(np.int64(_next(u, at, first, words) * vocabulary), vocabulary - 1))


@compiled
def _fall(values):
    """Values sorted, highest first, and what those up to each add up to."""
    falling = np.sort(values)[::-1].copy()
    return falling, np.cumsum(falling)


@compiled
def ranks(suffix, start, chance, vocabulary):
    """The words that a context has seen sorted by probability: in it (first row) and in the shorter one (second).

    Probabilities, highest first, and those up to each added up: (2, nodes) both. The words alone are sorted as well.
    """
    falling, added = np.zeros((2, len(chance))), np.zeros((2, len(chance)))
    falling[0, :vocabulary], added[0, :vocabulary] = _fall(chance[:vocabulary])
    for h in range(len(start) - 1):
        first, last = start[h], start[h + 1]
        if last > first:
            falling[0, first:last], added[0, first:last] = _fall(chance[first:last])
            falling[1, first:last], added[1, first:last] = _fall(chance[suffix[first:last]])
    return falling, added


@compiled
def _beyond(falling, added, first, last, scale, p):
    """How many of first .. last - 1, times scale, are above p, and what they add up to."""
    low, high = first, last
    while low < high:
        middle = (low + high) >> 1
        if scale * falling[middle] > p:
            low = middle + 1
        else:
            high = middle
    return low - first, scale * added[low - 1] if low > first else 0.0


@compiled
def _above(context, start, left, falling, added, vocabulary, p):
    """How many words are likelier than p in these contexts, and their probability together.

    Of the words that a context has not seen it leaves the order as the shorter context has it: they are counted there,
    less the seen ones.
    """
    words, mass, scale = 0, 0.0, 1.0
    for k in range(len(context) - 1, -1, -1):
        h = context[k]
        if h < 0 or start[h] == start[h + 1]:
            continue
        n, here = _beyond(falling[0], added[0], start[h], start[h + 1], scale, p)
        scale *= left[h]
        m, below = _beyond(falling[1], added[1], start[h], start[h + 1], scale, p)
        words, mass = words + n - m, mass + here - below
    n, here = _beyond(falling[0], added[0], 0, vocabulary, scale, p)
    return words + n, mass + here


@compiled
def _set_out(context, prompts, r, token, start, vocabulary):
    """The contexts before the first word of row r: the end of its prompt, or the beginning of a row."""
    _begin(context, vocabulary)
    if len(prompts):
        for j in range(prompts.shape[1]):
            _advance(context, token, start, prompts[r, j])


@compiled
def draw(
    n,
    block,
    prompts,
    token,
    count,
    start,
    chance,
    left,
    mass,
    discount,
    vocabulary,
    top_k,
    top_p,
    falling,
    added,
    words,
):
    """N rows (n, block), word by word; where top_k or top_p cut, words beyond are drawn again.

    A word is kept if fewer than top_k words are likelier, and their probability together is below top_p (Holtzman et
    al. 2020): the law of the cut and renormalised distribution. falling, added: `ranks`, empty without a cut.
    """
    out = np.empty((n, block), np.int32)
    context, u, at = np.empty(len(discount) - 1, np.int32), np.empty((2, _PAIRS)), np.empty(1, np.int64)
    cuts = top_k > 0 or top_p < 1.0
    for r in range(n):
        at[0] = 0
        first = np.uint64(r) << np.uint64(24)  # counters of a row: the first round of Philox tells 64 bits apart
        _set_out(context, prompts, r, token, start, vocabulary)
        for j in range(block):
            while True:
                word = _draw(context, token, count, start, mass, discount, vocabulary, u, at, first, words)
                if not cuts:
                    break
                p = _chance(context, token, start, chance, left, word)
                likelier, their = _above(context, start, left, falling, added, vocabulary, p)
                if their < top_p and (top_k == 0 or likelier < top_k):
                    break
            out[r, j] = word
            _advance(context, token, start, word)
    return out


# ---- beam search ----


@compiled
def _insert(words, chances, word, p):
    """Put a word into a list of the likeliest, which falls; the one that came first stays ahead of its equals."""
    k = len(words)
    while k > 0 and chances[k - 1] < p:
        k -= 1
    if k == len(words):
        return
    for i in range(len(words) - 1, k, -1):
        words[i], chances[i] = words[i - 1], chances[i - 1]
    words[k], chances[k] = word, p


@compiled
def likeliest(token, suffix, start, chance, left, level, vocabulary, beams):
    """The `beams` likeliest words of every context, and of none at all, which is the last row: words, probabilities.

    A seen word is likelier than in the shorter context, so none but seen ones and that context's likeliest can be.
    """
    n = level[len(level) - 2] if len(level) > 2 else 0  # the longest grams are no context
    words, chances = np.full((n + 1, beams), -1, np.int32), np.zeros((n + 1, beams))
    for v in range(vocabulary):
        _insert(words[n], chances[n], v, chance[v])
    for h in range(n):
        for v in range(start[h], start[h + 1]):
            _insert(words[h], chances[h], token[v], chance[v])
        shorter = suffix[h] if suffix[h] >= 0 else n
        for i in range(beams):
            word = words[shorter, i]
            if word >= 0 and _child(token, start, h, word) < 0:
                _insert(words[h], chances[h], word, left[h] * chances[shorter, i])
    return words, chances


@compiled
def _deepest(context, start, none):
    for k in range(len(context) - 1, -1, -1):
        if context[k] >= 0 and start[context[k]] < start[context[k] + 1]:
            return context[k]
    return none


@compiled
def search(block, prompts, token, start, words, chances, longest, vocabulary, beams):
    """The likeliest continuation (n, block) of each prompt that a search with so many beams finds."""
    n, none = len(prompts), len(words) - 1
    out = np.empty((n, block), np.int32)
    context, other = np.empty((beams, longest - 1), np.int32), np.empty((beams, longest - 1), np.int32)
    path, rest = np.empty((beams, block), np.int32), np.empty((beams, block), np.int32)
    score, best, which = np.empty(beams), np.empty(beams), np.empty(beams, np.int32)
    for r in range(n):
        for b in range(beams):
            _set_out(context[b], prompts, r, token, start, vocabulary)
        score[:] = -np.inf
        score[0] = 0.0  # all beams are the same at first
        for j in range(block):
            best[:], which[:] = -np.inf, -1
            for b in range(beams):
                if score[b] == -np.inf:
                    continue
                h = _deepest(context[b], start, none)
                for i in range(beams):
                    if chances[h, i] > 0.0:
                        _insert(which, best, b * beams + i, score[b] + np.log(chances[h, i]))
            for b in range(beams):
                if which[b] < 0:
                    continue
                source = which[b] // beams
                h = _deepest(context[source], start, none)
                word = words[h, which[b] % beams]
                rest[b, :j], rest[b, j] = path[source, :j], word
                other[b] = context[source]
                _advance(other[b], token, start, word)
            path, rest, context, other = rest, path, other, context
            score[:] = best
        out[r] = path[0]
    return out
