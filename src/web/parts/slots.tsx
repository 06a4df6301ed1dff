/** Slots as small boxes; where there are too many, as a figure alone. */
import { For, Show } from 'solid-js';

const BOXES_MAX = 24;

export function Slots(props: { used: number; slots: number }) {
  return (
    <span class="bar slots" role="img" aria-label={`${props.used} of ${props.slots} slots in use`}>
      <Show when={props.slots <= BOXES_MAX}>
        <span class="meter">
          <For each={Array.from({ length: props.slots })}>
            {(_, index) => <i classList={{ 'is-used': index() < props.used }} />}
          </For>
        </span>
      </Show>
      <span class="soft number">
        {props.used}/{props.slots}
      </span>
    </span>
  );
}
