// Blind comparison of the first two sounds: letters until a vote, then names and the tally.

class Blind {
  constructor(mode) {
    this.mode = mode;
    this.letters = mode === "abx" ? ["A", "B", "X"] : ["A", "B"];
    this.votes = [];
    this.next();
  }

  next() {
    const swapped = Math.random() < 0.5;
    this.hidden = { A: swapped ? 1 : 0, B: swapped ? 0 : 1, X: Math.random() < 0.5 ? 0 : 1 };
    this.revealed = false;
  }

  // "A" or "B": the preferred one, or the one that X is.
  vote(letter, names) {
    this.revealed = true;
    const right = this.mode === "abx" ? this.hidden[letter] === this.hidden.X : null;
    this.votes.push({ mode: this.mode, chosen: names[this.hidden[letter]], right });
    return right;
  }

  tally(names) {
    const n = this.votes.length;
    if (this.mode === "abx") {
      const right = this.votes.filter((vote) => vote.right).length;
      return `${right} of ${n} right; guessing does as well in ${percent(atLeast(right, n))} of cases.`;
    }
    const counts = names.slice(0, 2).map((name) => `${name} ${this.votes.filter((vote) => vote.chosen === name).length}`);
    return `Preferred so far: ${counts.join(", ")}.`;
  }
}

// Chance of at least k right of n by guessing.
function atLeast(k, n) {
  let total = 0, ways = 1;
  for (let i = 0; i <= n; i++) {
    if (i >= k) total += ways;
    ways = ways * (n - i) / (i + 1);
  }
  return total / 2 ** n;
}

const percent = (share) => `${share < 0.01 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
