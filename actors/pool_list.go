package actors

// list is a doubly linked list through links that its members carry, so that a
// member can be added and taken out anywhere in constant time and without
// allocating. The zero value is empty.
type list[T any] struct {
	front, back *link[T]
	n           int
}

// link is a member's place in one list.
type link[T any] struct {
	prev, next *link[T]
	in         *list[T] // nil while in none
	of         T        // the member itself; set by the list
}

func (l *list[T]) len() int { return l.n }

func (l *list[T]) pushBack(k *link[T], of T) { l.insertAfter(l.back, k, of) }

// insertAfter puts k behind at; at nil means first.
func (l *list[T]) insertAfter(at, k *link[T], of T) {
	k.in, k.of, k.prev = l, of, at
	if at == nil {
		k.next, l.front = l.front, k
	} else {
		k.next, at.next = at.next, k
	}
	if k.next == nil {
		l.back = k
	} else {
		k.next.prev = k
	}
	l.n++
}

// remove takes k out of the list it is in, if any.
func (k *link[T]) remove() {
	l := k.in
	if l == nil {
		return
	}
	if k.prev == nil {
		l.front = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next == nil {
		l.back = k.prev
	} else {
		k.next.prev = k.prev
	}
	l.n--
	var none T
	k.prev, k.next, k.in, k.of = nil, nil, nil, none
}
