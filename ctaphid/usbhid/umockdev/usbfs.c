/*
 * usage: usbfs COMMAND [ARGUMENT...]
 *
 * Runs a command for which security keys hang on USB bus 1, and passes on how it
 * ended. The keys are umockdev's; what usbfs, the kernel's door to USB devices
 * for programs (linux/usbdevice_fs.h), says of them is answered here. The rest of
 * a key is the command's: it has a SOCK_SEQPACKET socket, whose file descriptor
 * USBFS_SOCKET names, and on which each packet begins with the number of a key
 * and a letter.
 *
 *	to the key          i REPORT   the key sends a report, perhaps an empty one
 *	                    s FLAGS    the key behaves so from now on (see below)
 *	                    d          nothing but to say when the host has taken all reports
 *	                    k          the host's process was killed
 *	                    u          the key is pulled out
 *	from the key        o REPORT   the host sent a report
 *	                    h          the host sends a report that the key does not take
 *	                    l TEXT     the host changed who has an interface
 *	                    a          s, d, k or u is done; what came before it was sent before
 *
 * Keys 1 to PLAIN have a FIDO interface, the other ones a keyboard before it. All
 * are there from the beginning: libusb hears nothing of later ones, as umockdev
 * sends udev's messages only and libusb listens to the kernel's.
 *
 * The command's environment has LD_PRELOAD from USBFS_PRELOAD.
 */
#include <errno.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <umockdev.h>
#include <unistd.h>

enum { PLAIN = 20, KEYS = 24, INTERFACES = 2, REPORT = 64 };

enum { /* flags of how a key behaves */
	HOLD_OUT = 1,  /* takes no reports, and says nothing */
	STALL_OUT = 2, /* refuses reports */
	STALL_IN = 4,  /* refuses to be read */
	FOREIGN = 8,   /* another program has the FIDO interface */
	PAUSE_IN = 16  /* keeps its reports to itself */
};

enum {
	FRAME_MICROSECONDS = 1000, /* a full-speed bus asks an endpoint for a report that often */
	POLL_MICROSECONDS = 300
};

struct host; /* an open node */

struct key {
	int number, fido; /* fido is the number of that interface */
	unsigned flags;
	bool gone;
	bool draining; /* whether to say when reports is empty */
	gint64 frame;  /* when the last report was sent */
	char *dir; /* its directory in sysfs */
	bool bound[INTERFACES];
	struct host *owner[INTERFACES];
	GQueue reports; /* GBytes that no host has asked for */
	GList *hosts;
};

struct host {
	struct key *key;
	UMockdevIoctlClient *client;
	UMockdevIoctlClient *reaping; /* waits for something in done */
	GQueue waiting, done;	      /* struct urb */
};

struct urb {
	gulong address; /* in the command */
	UMockdevIoctlData *data, *buffer;
};

static GMutex lock; /* of all that follows */
static struct key keys[KEYS];
static int command_socket;
static UMockdevTestbed *bed;

static void tell(struct key *k, char what, const void *data, size_t size)
{
	guint8 packet[2 + REPORT * 2] = { k->number, what };
	size = MIN(size, sizeof packet - 2);
	memcpy(packet + 2, data, size);
	if (send(command_socket, packet, size + 2, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		g_error("send: %s", g_strerror(errno));
}

/* foreign reports whether another program has an interface. */
static bool foreign(struct key *k, int i) { return i == k->fido && k->flags & FOREIGN; }

/* changed shows in sysfs who has an interface, and tells what happened to it. */
static void changed(struct key *k, int i, const char *event)
{
	g_autofree char *dir = g_strdup_printf("%s/1-%d:1.%d", k->dir, k->number, i);
	g_autofree char *driver = g_build_filename(dir, "driver", NULL);
	g_autofree char *hid = g_strdup_printf("%s/0003:1209:BEEF.%04X", dir, k->number);
	g_autofree char *shown = g_build_filename(hid, "report_descriptor", NULL);
	static const char keyboard[] = "\x05\x01\x09\x06\xa1\x01\xc0";
	static const char fido[] = "\x06\xd0\xf1\x09\x01\xa1\x01\x09\x20\x15\x00\x26\xff\x00\x75\x08\x95\x40\x81\x02"
				   "\x09\x21\x15\x00\x26\xff\x00\x75\x08\x95\x40\x91\x02\xc0";
	const char *descriptor = i == k->fido ? fido : keyboard;
	gssize size = i == k->fido ? sizeof fido - 1 : sizeof keyboard - 1;

	unlink(driver);
	unlink(shown);
	rmdir(hid);
	if (k->bound[i]) {
		if (symlink("../../../bus/usb/drivers/usbhid", driver) < 0 || mkdir(hid, 0755) < 0 ||
		    !g_file_set_contents(shown, descriptor, size, NULL))
			g_error("%s: %s", dir, g_strerror(errno));
	} else if ((k->owner[i] || foreign(k, i)) && symlink("../../../bus/usb/drivers/usbfs", driver) < 0) {
		g_error("%s: %s", driver, g_strerror(errno));
	}
	if (event) {
		g_autofree char *text = g_strdup_printf("%s %d", event, i);
		tell(k, 'l', text, strlen(text));
	}
}

/* resolve gives the memory to which a pointer of the command points, NULL if the
 * command was killed. */
static UMockdevIoctlData *resolve(UMockdevIoctlData *from, gsize offset, gsize size)
{
	return umockdev_ioctl_data_resolve(from, offset, size, NULL);
}

/* finish has a transfer ready to be reaped. */
static void finish(struct host *h, struct urb *u, int status, int length)
{
	struct usbdevfs_urb *urb = (void *)u->data->data;
	urb->status = status;
	urb->actual_length = length;
	g_queue_push_tail(&h->done, u);
}

static void free_urb(gpointer p)
{
	struct urb *u = p;
	g_clear_object(&u->buffer);
	g_clear_object(&u->data);
	g_free(u);
}

/* reap answers the call that waits for a transfer, in any case if it must not
 * wait any longer. */
static void reap(struct host *h, bool now)
{
	UMockdevIoctlClient *c = h->reaping;
	if (!c)
		return;
	struct urb *u = g_queue_pop_head(&h->done);
	if (!u && !now)
		return;
	h->reaping = NULL;
	if (u) {
		g_autoptr(UMockdevIoctlData) to = resolve(umockdev_ioctl_client_get_arg(c), 0, sizeof(void *));
		if (to)
			umockdev_ioctl_data_set_ptr(to, 0, u->data);
		free_urb(u);
		umockdev_ioctl_client_complete(c, 0, 0);
	} else {
		umockdev_ioctl_client_complete(c, -1, h->key->gone ? ENODEV : EAGAIN);
	}
	g_object_unref(c);
}

/* say_drained tells that the host has all reports, if that was asked. It has the
 * last one when it asks for the next. */
static void say_drained(struct host *h)
{
	struct key *k = h->key;
	if (!k->draining || !g_queue_is_empty(&k->reports))
		return;
	for (GList *l = h->waiting.head; l; l = l->next) {
		struct usbdevfs_urb *urb = (void *)((struct urb *)l->data)->data->data;
		if (urb->endpoint & USB_DIR_IN) {
			k->draining = false;
			tell(k, 'a', NULL, 0);
			return;
		}
	}
}

/* transfer moves what can be moved between a key and a host. */
static void transfer(struct host *h)
{
	struct key *k = h->key;
	for (GList *l = h->waiting.head, *next; l; l = next) {
		struct urb *u = l->data;
		struct usbdevfs_urb *urb = (void *)u->data->data;
		bool in = urb->endpoint & USB_DIR_IN;
		next = l->next;
		if (k->gone) {
			finish(h, u, -ESHUTDOWN, 0);
		} else if (k->flags & (in ? STALL_IN : STALL_OUT)) {
			finish(h, u, -EPIPE, 0);
		} else if (in) {
			gint64 now = g_get_monotonic_time();
			if (k->flags & PAUSE_IN || g_queue_is_empty(&k->reports) || now < k->frame + FRAME_MICROSECONDS)
				continue;
			k->frame = now;
			g_autoptr(GBytes) report = g_queue_pop_head(&k->reports);
			gsize size;
			gconstpointer from = g_bytes_get_data(report, &size);
			size = MIN(size, (gsize)urb->buffer_length);
			if (size)
				memcpy(u->buffer->data, from, size);
			finish(h, u, 0, size);
		} else {
			if (k->flags & HOLD_OUT)
				continue;
			tell(k, 'o', u->buffer->data, urb->buffer_length);
			finish(h, u, 0, urb->buffer_length);
		}
		g_queue_delete_link(&h->waiting, l);
	}
	reap(h, false);
	say_drained(h);
}

static void transfer_all(struct key *k)
{
	g_list_foreach(k->hosts, (GFunc)(void (*)(void))transfer, NULL);
}

static int submit(struct host *h, UMockdevIoctlData *arg)
{
	struct key *k = h->key;
	gulong address = *(gulong *)arg->data;
	UMockdevIoctlData *data = resolve(arg, 0, sizeof(struct usbdevfs_urb));
	if (!data)
		return EFAULT;
	struct usbdevfs_urb *urb = (void *)data->data;
	UMockdevIoctlData *buffer = resolve(data, offsetof(struct usbdevfs_urb, buffer), urb->buffer_length);
	if (!buffer || urb->type != USBDEVFS_URB_TYPE_INTERRUPT || (urb->endpoint & 0x0f) != k->fido + 1 || k->owner[k->fido] != h) {
		g_clear_object(&buffer);
		g_object_unref(data);
		return ENOENT;
	}
	struct urb *u = g_new0(struct urb, 1);
	u->address = address;
	u->data = data;
	u->buffer = buffer;
	g_queue_push_tail(&h->waiting, u);
	if (k->flags & HOLD_OUT && !(urb->endpoint & USB_DIR_IN))
		tell(k, 'h', NULL, 0);
	transfer(h);
	return 0;
}

static int discard(struct host *h, gulong address)
{
	for (GList *l = h->waiting.head; l; l = l->next) {
		struct urb *u = l->data;
		if (u->address != address)
			continue;
		finish(h, u, -ENOENT, 0);
		g_queue_delete_link(&h->waiting, l);
		reap(h, false);
		return 0;
	}
	return EINVAL;
}

static int claim(struct host *h, int i)
{
	struct key *k = h->key;
	if (k->bound[i] || foreign(k, i) || (k->owner[i] && k->owner[i] != h))
		return EBUSY;
	k->owner[i] = h;
	changed(k, i, "claim");
	return 0;
}

static int release(struct host *h, int i)
{
	if (h->key->owner[i] != h)
		return EINVAL;
	h->key->owner[i] = NULL;
	changed(h->key, i, "release");
	return 0;
}

static int get_driver(struct key *k, int i, char *name)
{
	if (!k->bound[i] && !k->owner[i] && !foreign(k, i))
		return ENODATA;
	g_strlcpy(name, k->bound[i] ? "usbhid" : "usbfs", USBDEVFS_MAXDRIVERNAME);
	return 0;
}

/* drive takes the kernel's driver off an interface or puts it on. */
static int drive(struct key *k, int i, unsigned code, long *result)
{
	if (code != USBDEVFS_CONNECT && code != USBDEVFS_DISCONNECT)
		return ENOTTY;
	bool attach = code == USBDEVFS_CONNECT;
	if (k->owner[i] || foreign(k, i) || (attach && k->bound[i]))
		return EBUSY;
	if (!attach && !k->bound[i])
		return ENODATA;
	k->bound[i] = attach;
	changed(k, i, attach ? "attach" : "detach");
	*result = attach;
	return 0;
}

/* on_interface answers what is about one interface. */
static int on_interface(struct host *h, gulong request, UMockdevIoctlData *arg, long *result)
{
	g_autoptr(UMockdevIoctlData) data = resolve(arg, 0, _IOC_SIZE(request));
	if (!data)
		return EFAULT;
	int i = *(int *)data->data;
	if (i < 0 || i > h->key->fido)
		return EINVAL;
	switch (request) {
	case USBDEVFS_CLAIMINTERFACE:
		return claim(h, i);
	case USBDEVFS_RELEASEINTERFACE:
		return release(h, i);
	case USBDEVFS_GETDRIVER:
		return get_driver(h->key, i, ((struct usbdevfs_getdriver *)data->data)->driver);
	}
	return drive(h->key, i, ((struct usbdevfs_ioctl *)data->data)->ioctl_code, result);
}

static int answer(struct host *h, gulong request, UMockdevIoctlData *arg, long *result)
{
	if (h->key->gone)
		return ENODEV;
	switch (request) {
	case USBDEVFS_SUBMITURB:
		return submit(h, arg);
	case USBDEVFS_DISCARDURB:
		return discard(h, *(gulong *)arg->data);
	case USBDEVFS_CLAIMINTERFACE:
	case USBDEVFS_RELEASEINTERFACE:
	case USBDEVFS_GETDRIVER:
	case USBDEVFS_IOCTL:
		return on_interface(h, request, arg, result);
	case USBDEVFS_GET_CAPABILITIES: {
		g_autoptr(UMockdevIoctlData) data = resolve(arg, 0, sizeof(__u32));
		if (!data)
			return EFAULT;
		*(__u32 *)data->data = USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
		return 0;
	}
	}
	return ENOTTY;
}

static gboolean handle_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, struct key *k)
{
	g_mutex_lock(&lock);
	struct host *h = g_object_get_data(G_OBJECT(client), "host");
	gulong request = umockdev_ioctl_client_get_request(client);
	if (request == USBDEVFS_REAPURBNDELAY) {
		/* The node is a file, which is always ready: without a little
		 * wait here, libusb would ask all the time. */
		h->reaping = g_object_ref(client);
		reap(h, false);
	} else {
		long result = 0;
		int error = answer(h, request, umockdev_ioctl_client_get_arg(client), &result);
		umockdev_ioctl_client_complete(client, error ? -1 : result, error);
	}
	g_mutex_unlock(&lock);
	return TRUE;
}

static void connected(UMockdevIoctlBase *base, UMockdevIoctlClient *client, struct key *k)
{
	g_mutex_lock(&lock);
	struct host *h = g_new0(struct host, 1);
	h->key = k;
	h->client = g_object_ref(client);
	k->hosts = g_list_prepend(k->hosts, h);
	g_object_set_data(G_OBJECT(client), "host", h);
	g_mutex_unlock(&lock);
}

/* leave does what the kernel does when the last descriptor is closed, perhaps
 * because the program was killed: the interfaces are free, and have no driver. */
static void leave(struct host *h)
{
	for (int i = 0; i <= h->key->fido; i++)
		release(h, i);
	g_queue_clear_full(&h->waiting, free_urb);
	g_queue_clear_full(&h->done, free_urb);
	g_clear_object(&h->reaping);
	g_queue_clear_full(&h->key->reports, (GDestroyNotify)g_bytes_unref);
}

static void vanished(UMockdevIoctlBase *base, UMockdevIoctlClient *client, struct key *k)
{
	g_mutex_lock(&lock);
	struct host *h = g_object_get_data(G_OBJECT(client), "host");
	k->hosts = g_list_remove(k->hosts, h);
	leave(h);
	g_object_unref(h->client);
	g_free(h);
	g_mutex_unlock(&lock);
}

/* tick sends the reports that are due, and ends the calls that must not wait. */
static gpointer tick(gpointer unused)
{
	for (;;) {
		g_usleep(POLL_MICROSECONDS);
		g_mutex_lock(&lock);
		for (struct key *k = keys; k < keys + KEYS; k++)
			for (GList *l = k->hosts; l; l = l->next) {
				transfer(l->data);
				reap(l->data, true);
			}
		g_mutex_unlock(&lock);
	}
	return NULL;
}

/* descriptors appends the device descriptor and the configuration, USB 2.0 §9.6
 * and HID 1.11 §6.2.1. */
static void add_descriptors(struct key *k, const char *path)
{
	static const guint8 device[] = { 18, 1, 0, 2, 0, 0, 0, 64, 0x09, 0x12, 0xef, 0xbe, 0, 1, 0, 0, 0, 1 };
	static const guint8 keyboard[] = { 9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 7, 0, 7, 5, 0x81, 3, 8, 0, 10 };
	guint8 n = k->fido, total = 9 + n * sizeof keyboard + 32;
	const guint8 configuration[] = { 9, 2, total, 0, n + 1, 1, 0, 0x80, 50 };
	const guint8 fido[] = { 9, 4, n, 0, 2, 3, 0, 0, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 34, 0,
				7, 5, 0x81 + n, 3, REPORT, 0, 1, 7, 5, 1 + n, 3, REPORT, 0, 1 };
	g_autoptr(GByteArray) all = g_byte_array_new();
	g_byte_array_append(all, device, sizeof device);
	g_byte_array_append(all, configuration, sizeof configuration);
	if (n)
		g_byte_array_append(all, keyboard, sizeof keyboard);
	g_byte_array_append(all, fido, sizeof fido);
	umockdev_testbed_set_attribute_binary(bed, path, "descriptors", all->data, all->len);
}

static void add_key(struct key *k, int number)
{
	k->number = number;
	k->fido = number > PLAIN;
	g_autofree char *name = g_strdup_printf("1-%d", number), *devnum = g_strdup_printf("%d", number);
	g_autofree char *node = g_strdup_printf("/dev/bus/usb/001/%03d", number);
	g_autofree char *path = umockdev_testbed_add_device(bed, "usb", name, NULL,
		"busnum", "1", "devnum", devnum, "speed", "12", "bConfigurationValue", "1", "idVendor", "1209",
		"idProduct", "beef", "manufacturer", "Touchstone", "product", "Mock key", "serial", devnum, NULL,
		"DEVTYPE", "usb_device", "DEVNAME", node, NULL);
	add_descriptors(k, path);
	g_autofree char *root = umockdev_testbed_get_root_dir(bed);
	k->dir = g_build_filename(root, path, NULL);
	g_autofree char *file = g_build_filename(root, node, NULL), *bus = g_path_get_dirname(file);
	if (g_mkdir_with_parents(bus, 0755) < 0 || !g_file_set_contents(file, "", 0, NULL))
		g_error("%s: %s", file, g_strerror(errno));
	for (int i = 0; i <= k->fido; i++) {
		g_autofree char *interface = g_strdup_printf("%s:1.%d", name, i);
		bool fido = i == k->fido;
		g_free(umockdev_testbed_add_device(bed, "usb", interface, path, "bInterfaceClass", "03", "bInterfaceSubClass",
			fido ? "00" : "01", "bNumEndpoints", fido ? "02" : "01", NULL, "DEVTYPE", "usb_interface", NULL));
		k->bound[i] = true;
		changed(k, i, NULL);
	}
	UMockdevIoctlBase *base = umockdev_ioctl_base_new();
	g_signal_connect(base, "handle-ioctl", G_CALLBACK(handle_ioctl), k);
	g_signal_connect(base, "client-connected", G_CALLBACK(connected), k);
	g_signal_connect(base, "client-vanished", G_CALLBACK(vanished), k);
	GError *error = NULL;
	if (!umockdev_testbed_attach_ioctl(bed, node, base, &error))
		g_error("%s: %s", node, error->message);
}

static void unplug(struct key *k)
{
	k->gone = true;
	g_autofree char *interface = g_strdup_printf("/sys/devices/1-%d/1-%d:1.%d", k->number, k->number, k->fido);
	for (int i = 0; i <= k->fido; i++) {
		k->bound[i] = false;
		k->owner[i] = NULL;
		changed(k, i, NULL);
		interface[strlen(interface) - 1] = '0' + i;
		umockdev_testbed_remove_device(bed, interface);
	}
	g_autofree char *device = g_strdup_printf("/sys/devices/1-%d", k->number);
	umockdev_testbed_remove_device(bed, device);
	transfer_all(k);
}

static void behave(struct key *k, unsigned flags)
{
	if ((k->flags ^ flags) & FOREIGN)
		k->bound[k->fido] = !(flags & FOREIGN);
	k->flags = flags;
	changed(k, k->fido, NULL);
	transfer_all(k);
}

/* obey does what a packet of the command says. */
static void obey(const guint8 *packet, ssize_t size)
{
	if (size < 2 || packet[0] < 1 || packet[0] > KEYS)
		g_error("packet of %zd bytes for key %d", size, size ? packet[0] : 0);
	struct key *k = &keys[packet[0] - 1];
	g_mutex_lock(&lock);
	switch (packet[1]) {
	case 'i':
		g_queue_push_tail(&k->reports, g_bytes_new(packet + 2, size - 2));
		transfer_all(k);
		break;
	case 's':
		behave(k, packet[2]);
		tell(k, 'a', NULL, 0);
		break;
	case 'd':
		k->draining = true;
		transfer_all(k);
		break;
	case 'k': /* umockdev does not notice if that was in the midst of a call */
		g_list_foreach(k->hosts, (GFunc)(void (*)(void))leave, NULL);
		tell(k, 'a', NULL, 0);
		break;
	case 'u':
		unplug(k);
		tell(k, 'a', NULL, 0);
		break;
	default:
		g_error("packet %c", packet[1]);
	}
	g_mutex_unlock(&lock);
}

static pid_t start(char **command)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		g_error("socketpair: %s", g_strerror(errno));
	const char *preload = g_getenv("USBFS_PRELOAD");
	pid_t child = fork();
	if (child < 0)
		g_error("fork: %s", g_strerror(errno));
	if (child == 0) {
		g_setenv("LD_PRELOAD", preload ? preload : "", TRUE);
		dup2(ends[1], 3);
		g_setenv("USBFS_SOCKET", "3", TRUE);
		execvp(command[0], command);
		g_printerr("%s: %s\n", command[0], g_strerror(errno));
		_exit(127);
	}
	close(ends[1]);
	command_socket = ends[0];
	return child;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		g_printerr("usage: usbfs COMMAND [ARGUMENT...]\n");
		return 2;
	}
	bed = umockdev_testbed_new();
	for (int i = 0; i < KEYS; i++)
		add_key(&keys[i], i + 1);
	pid_t child = start(argv + 1);
	g_thread_unref(g_thread_new("tick", tick, NULL));
	guint8 packet[2 + REPORT];
	for (ssize_t size; (size = recv(command_socket, packet, sizeof packet, 0)) > 0;)
		obey(packet, size);
	int status;
	if (waitpid(child, &status, 0) < 0)
		g_error("waitpid: %s", g_strerror(errno));
	g_mutex_lock(&lock); /* for good */
	g_object_unref(bed);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
