/* When the keys of a connection are to be renewed, and what happens if they are not (docs/WIRE.md, 2.11). */
import { refuseIf } from './errors.mjs';

const OVERDUE_SECONDS = 86400;
const OVERDUE_BYTES = 2 ** 40;
const PAUSE_SECONDS = 3600;

export class Limits {
  #settings;
  #most; /* re-handshakes in a row, and the seconds after which there may be one more */
  #step;
  #keyedAt = 0;
  #volume = 0;
  #overdueAt;
  #overdueFor = 0;
  #recent = 0;
  #recentAt = 0;

  constructor(settings, initiator) {
    this.#settings = settings;
    [this.#most, this.#step] = initiator ? [16, 2] : [32, 1];
  }

  /* New keys are in use. */
  start() {
    this.#keyedAt = this.#settings.clock();
    this.#volume = 0;
    this.#overdueAt = undefined;
    this.#overdueFor = 0;
  }

  count(bytes) {
    this.#volume += bytes;
  }

  get due() {
    const age = this.#settings.clock() - this.#keyedAt;
    return this.#volume >= this.#settings.renewBytes || age < 0 || age >= this.#settings.renewSeconds;
  }

  /* Before a frame with data. A pause counts as an hour at most. */
  check() {
    if (!this.due) return;
    const now = this.#settings.clock();
    if (this.#overdueAt !== undefined) this.#overdueFor += Math.min(Math.max(now - this.#overdueAt, 0), PAUSE_SECONDS);
    this.#overdueAt = now;
    refuseIf(this.#overdueFor >= OVERDUE_SECONDS || this.#volume - this.#settings.renewBytes >= OVERDUE_BYTES, 'E_OVERDUE');
  }

  #recentNow(now) {
    return Math.max(0, this.#recent - Math.floor(Math.max(0, now - this.#recentAt) / this.#step));
  }

  /* Whether the rate allows one more re-handshake. */
  get mayRenew() {
    return this.#recentNow(this.#settings.clock()) < this.#most;
  }

  countRenewal() {
    const now = this.#settings.clock();
    const left = this.#recentNow(now);
    const steps = Math.floor((now - this.#recentAt) / this.#step) * this.#step;
    this.#recentAt = left === 0 || now < this.#recentAt ? now : this.#recentAt + steps;
    this.#recent = left + 1;
  }
}
