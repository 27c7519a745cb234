#!/bin/sh
# In the guest, once: from now on the power button makes something else of the guest agent: a liar, a flood, itself again, a corpse.
mkdir -p /run/tricks
cat >/run/tricks/play <<'END'
#!/bin/sh
# The port has one holder at a time, and who was killed holds it a little longer.
kill -9 $(pidof qemu-ga) $(cat /run/tricks/pid 2>/dev/null)
until (: <>/dev/virtio-ports/org.qemu.guest_agent.0) 2>/dev/null; do usleep 20000; done
setsid sh "/run/tricks/$1" </dev/null >/dev/null 2>&1 &
echo $! >/run/tricks/pid
END
cat >/run/tricks/lie <<'END'
#!/bin/sh
exec 3<>/dev/virtio-ports/org.qemu.guest_agent.0
while read -r line <&3; do
    id=${line##*\"id\":}
    id=${id%%\}*}
    case $line in
    *guest-sync-delimited*) printf '\377{"return": %s}\n' "$id" >&3 ;;
    *guest-sync*) printf '{"return": %s}\n' "$id" >&3 ;;
    *guest-info*) cat /run/tricks/info >&3 ;;
    *guest-get-host-name*) cat /run/tricks/name >&3 ;;
    *guest-network-get-interfaces*) cat /run/tricks/interfaces >&3 ;;
    *) echo '{"return": {}}' >&3 ;;
    esac
done
END
cat >/run/tricks/info <<'END'
{"return": {"version": "9\u001b[2J\u0007", "supported_commands": []}}
END
awk -v mac="$(cat /sys/class/net/eth0/address)" 'BEGIN {
    long = sprintf("%2000s", ""); gsub(/ /, "x", long)
    print "{\"return\": {\"host-name\": \"\\u001b]owned\\u009b2J" long "\"}}" >"/run/tricks/name"
    printf "{\"return\": [{\"name\": \"lo\", \"ip-addresses\": 7}, 8, {\"name\": \"\\u001b]0;" long "\"," >"/run/tricks/interfaces"
    printf "\"hardware-address\": \"%s\", \"ip-addresses\": [", mac >"/run/tricks/interfaces"
    split("127.0.0.1 fe80::1 224.0.0.1 ::1 0.0.0.0 1.2.3.4\\u001b[2J " long, useless)
    for (i = 1; i in useless; i++) printf "{\"ip-address\": \"%s\"}, ", useless[i] >"/run/tricks/interfaces"
    for (i = 0; i < 500; i++) printf "{\"ip-address\": \"10.9.%d.%d\"}, ", i / 250, i % 250 + 1 >"/run/tricks/interfaces"
    print "{}]}]}" >"/run/tricks/interfaces"
}'
cat >/run/tricks/flood <<'END'
#!/bin/sh
exec tr '\0' x </dev/zero >/dev/virtio-ports/org.qemu.guest_agent.0
END
cat >/run/tricks/hang <<'END'
#!/bin/sh
exec 3<>/dev/virtio-ports/org.qemu.guest_agent.0
exec sleep 100000
END
cat >/run/tricks/honest <<'END'
#!/bin/sh
# Whoever hears this name hears it from this agent, so that the one before is gone for certain.
hostname ready
exec qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run
END
cat >/run/tricks/recover <<'END'
#!/bin/sh
# What the flood left in QEMU and libvirt goes with the next ones that open the port: libvirt 9.0 gives up an agent that
# made no sense until the port is opened anew.
for turn in 1 2; do
    qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run &
    agent=$!
    sleep 2
    kill -9 $agent
    wait $agent
    until (: <>/dev/virtio-ports/org.qemu.guest_agent.0) 2>/dev/null; do usleep 20000; done
done
exec sh /run/tricks/honest
END
echo "lie flood recover hang recover" >/run/tricks/left
cat >/etc/acpi/PWRF/00000080 <<'END'
#!/bin/sh
read -r trick left </run/tricks/left
echo "$left" >/run/tricks/left
exec sh /run/tricks/play "$trick"
END
# The agent comes back with another name, which says that all of this is done.
sh /run/tricks/play honest
