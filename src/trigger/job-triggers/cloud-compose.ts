/**
 * Composes of Fedora's cloud images. The message says only where the compose lies and whether it
 * is ready, so the image's URL is derived, without asking anyone, from Pungi's layout:
 *
 *     LOCATION/CloudImages/x86_64/images/PREFIX-VERSION-RELEASE.x86_64.qcow2
 *
 * where VERSION and RELEASE are parts of the compose's id (`Fedora-24-20151208.n.7`) and PREFIX is
 * `Fedora-Cloud-Base` or `Fedora-Atomic`. A compose of all Fedora holds both images and gives two
 * items, one of either message type; one that is named after a variant gives that one.
 */
import { YardError, quote } from '../../base/errors.ts';
import type { Message } from '../envelope.ts';
import type { Drawn, JobData, JobTrigger } from './job-trigger.ts';

const IMAGE_ARCH = 'x86_64';

interface Variant {
  messageType: string;
  name: string;
  imagePrefix: string;
}

const VARIANTS: readonly Variant[] = [
  { messageType: 'CloudCompose', name: 'Fedora-Cloud', imagePrefix: 'Fedora-Cloud-Base' },
  { messageType: 'AtomicCompose', name: 'Fedora-Atomic', imagePrefix: 'Fedora-Atomic' },
];

const COMPOSE_ID = /^(?<short>[\w-]+)-(?<version>[\w.]+)-(?<release>\d{8}(?:\.[a-z]+)?\.\d+)$/;

export const cloudCompose: JobTrigger = {
  name: 'cloud-compose',
  topics: ['org.fedoraproject.prod.pungi.compose.status.change'],

  draw(message): Drawn {
    const status = textOf(message, 'status');
    // FINISHED_INCOMPLETE lacks only what may be lacking.
    if (!status.startsWith('FINISHED')) {
      return { discarded: `the compose is ${quote(status)}, not finished` };
    }
    const composeId = textOf(message, 'compose_id');
    const match = COMPOSE_ID.exec(composeId)?.groups as ComposeName | undefined;
    if (!match) return { discarded: `compose id ${quote(composeId)} is not NAME-VERSION-DATE.N` };
    const { short, version, release } = match;
    const variants = VARIANTS.filter(({ name }) => short === 'Fedora' || short === name);
    if (variants.length === 0) return { discarded: `${quote(short)} has no cloud images` };

    const location = locationOf(message);
    return {
      data: variants.map(({ messageType, name, imagePrefix }): JobData => {
        const image = `${imagePrefix}-${version}-${release}.${IMAGE_ARCH}.qcow2`;
        return {
          _msg: message.raw,
          message_type: messageType,
          item: `${location}/CloudImages/${IMAGE_ARCH}/images/${image}`,
          item_type: 'compose',
          name,
          version,
          release,
          compose_id: composeId,
        };
      }),
    };
  },
};

interface ComposeName {
  short: string;
  version: string;
  release: string;
}

function textOf({ body }: Message, key: string): string {
  const value = body[key];
  if (typeof value === 'string' && value !== '') return value;
  throw new YardError('message.invalid', `body.${key} is missing or no text: ${quote(value)}`);
}

/** Where the compose lies, with the doubled slashes that Pungi's messages have made single. */
function locationOf(message: Message): string {
  const text = textOf(message, 'location');
  const isUrl = /^https?:\/\/[\w.:-]+\/[\w./:~+-]*$/.test(text);
  if (!isUrl)
    throw new YardError('message.invalid', `body.location is no web address: ${quote(text)}`);
  return text.replaceAll(/(?<!:)\/{2,}/g, '/').replace(/\/$/, '');
}
